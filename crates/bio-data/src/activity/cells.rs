//! Single cells of Arrow columns.
//!
//! Columns are read by their Parquet types, without the Arrow schema that a writer may have left in the file: text is
//! then text and a list a list, whether it was written from `Utf8`, `LargeUtf8` or a dictionary, `List` or
//! `LargeList`.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// What is wrong with a cell.
pub(super) type Fault = String;

/// Text, `None` where the cell is null.
pub(super) fn text(column: &ArrayRef, row: usize) -> Result<Option<&str>, Fault> {
    if column.is_null(row) {
        return Ok(None);
    }
    match column.data_type() {
        DataType::Utf8 => Ok(Some(column.as_string::<i32>().value(row))),
        DataType::LargeUtf8 => Ok(Some(column.as_string::<i64>().value(row))),
        DataType::Utf8View => Ok(Some(column.as_string_view().value(row))),
        DataType::Binary => std::str::from_utf8(column.as_binary::<i32>().value(row))
            .map(Some)
            .map_err(|_| "not UTF-8".to_owned()),
        other => Err(format!("type {other}, expected text")),
    }
}

/// A whole number, `None` where the cell is null.
pub(super) fn whole(column: &ArrayRef, row: usize) -> Result<Option<i64>, Fault> {
    if column.is_null(row) {
        return Ok(None);
    }
    Ok(Some(match column.data_type() {
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => {
            let found = column.as_primitive::<UInt64Type>().value(row);
            i64::try_from(found).map_err(|_| format!("{found} is out of range"))?
        }
        other => return Err(format!("type {other}, expected whole numbers")),
    }))
}

/// A truth value, `None` where the cell is null.
pub(super) fn truth(column: &ArrayRef, row: usize) -> Result<Option<bool>, Fault> {
    match column.data_type() {
        _ if column.is_null(row) => Ok(None),
        DataType::Boolean => Ok(Some(column.as_boolean().value(row))),
        other => Err(format!("type {other}, expected true or false")),
    }
}

/// Appends the numbers of a list (16, 32 or 64-bit floats) and returns how many there were; `None` where the cell is
/// null. Null elements become NaN.
pub(super) fn append_list(column: &ArrayRef, row: usize, to: &mut Vec<f32>) -> Result<Option<usize>, Fault> {
    if column.is_null(row) {
        return Ok(None);
    }
    let values = match column.data_type() {
        DataType::List(_) => column.as_list::<i32>().value(row),
        DataType::LargeList(_) => column.as_list::<i64>().value(row),
        DataType::FixedSizeList(..) => column.as_fixed_size_list().value(row),
        other => return Err(format!("type {other}, expected a list of floats")),
    };
    let start = to.len();
    match values.data_type() {
        DataType::Float32 => to.extend_from_slice(values.as_primitive::<Float32Type>().values()),
        DataType::Float64 => {
            to.extend(values.as_primitive::<Float64Type>().values().iter().map(|v| *v as f32))
        }
        DataType::Float16 => {
            to.extend(values.as_primitive::<Float16Type>().values().iter().map(|v| v.to_f32()))
        }
        other => return Err(format!("list of {other}, expected floats")),
    }
    if values.null_count() > 0 {
        for (i, v) in to[start..].iter_mut().enumerate() {
            if values.is_null(i) {
                *v = f32::NAN;
            }
        }
    }
    Ok(Some(values.len()))
}
