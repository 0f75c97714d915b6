//! Clock-driven simulation of networks of point neurons.
