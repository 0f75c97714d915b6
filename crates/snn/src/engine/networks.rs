//! Standard networks.
