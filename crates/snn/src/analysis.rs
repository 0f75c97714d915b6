//! Statistics of spike trains, distances between them, and figures.
