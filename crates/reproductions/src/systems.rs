//! One module per paper, named after its sheet.
