//! Detectors of spatial patterns, trained once by STDP and homeostasis (sheet 11).
