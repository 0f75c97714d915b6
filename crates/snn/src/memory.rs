//! A hippocampal content-addressable memory of spiking neurons (sheet 14).
