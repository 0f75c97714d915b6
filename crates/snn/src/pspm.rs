//! Pre-synaptic pool modification: supervised learning of spike trains (sheet 13).
