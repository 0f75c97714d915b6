//! The published readings of EigenScore, which differ in centring, scale and logarithm.

use ndarray::{Array2, ArrayView2, Axis, Zip};
use serde::{Deserialize, Serialize};

pub(crate) use crate::finite::finite;
use crate::{Error, Result};

/// Which covariance, and whose logarithm. Scores of different conventions are not comparable.
///
/// With rows of `E [K, D]` the embeddings of K answers, every convention is `(1/K) sum_i log(lambda_i + alpha)` over
/// the eigenvalues of `s E_c E_c^T`:
///
/// | convention | centred over | s | log | sum over | published alpha |
/// |---|---|---|---|---|---|
/// | [`InsideCodeLn`](Self::InsideCodeLn) (default) | units of each row | 1/(D-1) | ln | K | 1e-3 |
/// | [`InsideCode`](Self::InsideCode) | units of each row | 1/(D-1) | log10 | K | 1e-3 |
/// | [`InsidePaper`](Self::InsidePaper) | units of each row | 1 | ln | K | 1e-3 |
/// | [`SendRegular`](Self::SendRegular) | units of each row | 1 | ln | K | 1e-5 |
/// | [`SendDual`](Self::SendDual) | answers of each unit | 1/(K-1) | ln | min(K, D) | 1e-3 |
///
/// Sources: INSIDE (Chen et al., ICLR 2024) and its code; the code of Mohammadzadeh et al. (ACL 2025) for the two
/// `Send` ones. `InsideCodeLn` is INSIDE's code with the natural logarithm that both papers write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EigenScoreConvention {
    /// Row-centred covariance divided by `D - 1`, natural logarithm.
    #[default]
    InsideCodeLn,
    /// Row-centred covariance divided by `D - 1`, decimal logarithm.
    InsideCode,
    /// Row-centred, undivided, natural logarithm.
    InsidePaper,
    /// The same matrix as [`InsidePaper`](Self::InsidePaper); its published alpha is 1e-5.
    SendRegular,
    /// Centred over the answers, divided by `K - 1`, over the `min(K, D)` values of a thin SVD.
    SendDual,
}

/// What the mean is taken over before it is subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Centring {
    /// Each answer loses the mean of its own units.
    Units,
    /// Each unit loses its mean over the answers.
    Answers,
}

/// The logarithm of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogBase {
    /// Natural.
    E,
    /// Decimal.
    Ten,
}

impl LogBase {
    /// A natural logarithm in this base.
    #[must_use]
    pub fn of_ln(self, ln: f64) -> f64 {
        match self {
            Self::E => ln,
            Self::Ten => ln / std::f64::consts::LN_10,
        }
    }

    /// `e` or `10`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::E => "e",
            Self::Ten => "10",
        }
    }
}

impl EigenScoreConvention {
    /// Every convention, in the order of the table above.
    pub const ALL: [Self; 5] =
        [Self::InsideCodeLn, Self::InsideCode, Self::InsidePaper, Self::SendRegular, Self::SendDual];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InsideCodeLn => "inside-code-ln",
            Self::InsideCode => "inside-code",
            Self::InsidePaper => "inside-paper",
            Self::SendRegular => "send-regular",
            Self::SendDual => "send-dual",
        }
    }

    /// The regulariser that its source uses.
    #[must_use]
    pub fn published_alpha(self) -> f64 {
        match self {
            Self::SendRegular => 1e-5,
            _ => 1e-3,
        }
    }

    /// The logarithm it uses.
    #[must_use]
    pub fn log_base(self) -> LogBase {
        match self {
            Self::InsideCode => LogBase::Ten,
            _ => LogBase::E,
        }
    }

    /// What it centres over.
    #[must_use]
    pub fn centring(self) -> Centring {
        match self {
            Self::SendDual => Centring::Answers,
            _ => Centring::Units,
        }
    }

    /// The factor `s` of `s E_c E_c^T` for K answers of D units.
    #[must_use]
    pub fn scale(self, answers: usize, units: usize) -> f64 {
        match self {
            Self::InsideCodeLn | Self::InsideCode => 1.0 / (units as f64 - 1.0),
            Self::InsidePaper | Self::SendRegular => 1.0,
            Self::SendDual => 1.0 / (answers as f64 - 1.0),
        }
    }

    /// How many eigenvalues the sum runs over; it is divided by K in any case.
    #[must_use]
    pub fn summed(self, answers: usize, units: usize) -> usize {
        match self {
            Self::SendDual => answers.min(units),
            _ => answers,
        }
    }

    /// The centred embeddings `E_c [K, D]`.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two answers or two units, [`Error::NotFinite`].
    pub fn centred(self, e: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        check_embeddings(e)?;
        let (answers, units) = e.dim();
        let subtract = |x: &f64, mean: &f64| x - mean;
        let centred = match self.centring() {
            Centring::Units => {
                let means = Zip::from(e.rows()).par_map_collect(|row| row.sum() / units as f64);
                let means = means.insert_axis(Axis(1));
                Zip::from(e).and_broadcast(&means).par_map_collect(subtract)
            }
            Centring::Answers => {
                let means = e.sum_axis(Axis(0)) / answers as f64;
                Zip::from(e).and_broadcast(&means).par_map_collect(subtract)
            }
        };
        let centred =
            if centred.is_standard_layout() { centred } else { centred.as_standard_layout().into_owned() };
        finite("centred embeddings", &centred.view())?;
        Ok(centred)
    }
}

/// Refuses fewer than two answers or units, NaN and infinities.
pub(crate) fn check_embeddings(e: &ArrayView2<'_, f64>) -> Result<()> {
    let (answers, units) = e.dim();
    check_shape(answers, units)?;
    finite("embeddings", e)
}

/// Refuses fewer than two answers or units.
pub(crate) fn check_shape(answers: usize, units: usize) -> Result<()> {
    if answers < 2 {
        return Err(Error::TooFew { what: "answers", needed: 2, found: answers });
    }
    if units < 2 {
        return Err(Error::TooFew { what: "units", needed: 2, found: units });
    }
    Ok(())
}

/// Refuses an alpha that is not a positive number.
pub(crate) fn check_alpha(alpha: f64) -> Result<()> {
    if alpha.is_finite() && alpha > 0.0 {
        return Ok(());
    }
    Err(Error::Parameter { name: "alpha", value: alpha, expected: "a positive number" })
}
