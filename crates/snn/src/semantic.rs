//! Autonomously active rate networks that learn what their cliques mean (sheet 16).
