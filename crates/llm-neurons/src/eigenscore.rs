//! EigenScore: the log-determinant of the covariance of several answers to one prompt.

pub(crate) mod answer;
pub(crate) mod convention;
pub(crate) mod exact;
