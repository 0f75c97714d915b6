"""EigenScore of K = 2000 embeddings of D = 4096 units: mean natural log of the eigenvalues of their covariance.

Each row is centred over its units; the covariance is X X^T / (D - 1) + alpha I with alpha = 1e-3. Two exact ways:
eigenvalues, as the published definition has it, and half the log-determinant of a Cholesky factor, its cheapest rival.
"""

import numpy as np

import timing

K, D, ALPHA = 2000, 4096, 1e-3


def embeddings():
    """Gaussian rows in single precision, the precision that a language model hands over."""
    return np.random.default_rng(0).standard_normal((K, D), dtype=np.float32)


def covariance(rows):
    """X X^T / (D - 1) + alpha I in double precision."""
    centred = rows.astype(np.float64)
    centred -= centred.mean(1, keepdims=True)
    matrix = centred @ centred.T / (D - 1)
    matrix[np.diag_indices(K)] += ALPHA
    return matrix


def eigenscore_eigvalsh():
    """Covariance and its eigenvalues."""
    rows = embeddings()
    return lambda: float(np.log(np.linalg.eigvalsh(covariance(rows))).mean())


def eigenscore_cholesky():
    """Covariance and its Cholesky factor."""
    rows = embeddings()
    return lambda: 2.0 * float(np.log(np.diag(np.linalg.cholesky(covariance(rows)))).mean())


def eigenscore_slogdet():
    """Covariance and its log-determinant by LU."""
    rows = embeddings()
    return lambda: float(np.linalg.slogdet(covariance(rows))[1]) / K


if __name__ == "__main__":
    timing.run(
        {
            "eigenscore_eigvalsh": eigenscore_eigvalsh,
            "eigenscore_cholesky": eigenscore_cholesky,
            "eigenscore_slogdet": eigenscore_slogdet,
        }
    )
