//! Lists make cells: every combination of them.

use toml::Spanned;

use crate::file::{Mistake, Row, Settings};
use crate::values::Many;

/// Most cells of a file.
pub(crate) const MAX_CELLS: usize = 4_096;

/// One combination of a row's lists.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Combination {
    pub(crate) system: Spanned<String>,
    pub(crate) version: Option<Spanned<String>>,
    pub(crate) preset: Option<Spanned<String>>,
    /// In the order of their names.
    pub(crate) settings: Vec<(String, Spanned<String>)>,
    /// As `--faults` takes them, the shape put in.
    pub(crate) faults: Option<Spanned<String>>,
    pub(crate) timings: Option<Spanned<String>>,
}

/// Every combination of a row's lists, the last list turning fastest.
pub(crate) fn expand(row: &Spanned<Row>, defaults: &Settings) -> Result<Vec<Combination>, Mistake> {
    let at = row.span();
    let row = row.get_ref();
    let timings = row.timings.as_ref().or(defaults.timings.as_ref());
    let mut lists: Vec<Vec<Option<Spanned<String>>>> = vec![Many::values(&row.system).into_iter().map(Some).collect()];
    lists.extend([&row.version, &row.preset].map(|many| optional(many.as_ref())));
    lists.extend(row.set.values().map(|many| optional(Some(many))));
    lists.extend([row.faults.as_ref(), row.shape.as_ref(), timings].map(optional));
    let count = lists.iter().try_fold(1_usize, |count, list| count.checked_mul(list.len()));
    if count.is_none_or(|count| count > MAX_CELLS) {
        return Err((at, format!("its lists make more than {MAX_CELLS} cells: split it")));
    }
    product(&lists).into_iter().map(|values| combination(row, values)).collect()
}

/// One value that is none where the key is not there.
fn optional(many: Option<&Spanned<Many>>) -> Vec<Option<Spanned<String>>> {
    many.map_or_else(|| vec![None], |many| Many::values(many).into_iter().map(Some).collect())
}

fn product<T: Clone>(lists: &[Vec<T>]) -> Vec<Vec<T>> {
    lists.iter().fold(vec![Vec::new()], |rows: Vec<Vec<T>>, list| {
        rows.iter()
            .flat_map(|row| list.iter().map(move |value| [row.as_slice(), std::slice::from_ref(value)].concat()))
            .collect()
    })
}

fn combination(row: &Row, values: Vec<Option<Spanned<String>>>) -> Result<Combination, Mistake> {
    let mut values = values.into_iter();
    let mut next = || values.next().flatten();
    let system = next().unwrap_or_else(|| Spanned::new(0..0, String::new()));
    let (version, preset) = (next(), next());
    let settings = row.set.keys().filter_map(|name| Some((name.clone(), next()?))).collect();
    let (faults, shape, timings) = (next(), next(), next());
    Ok(Combination { system, version, preset, settings, faults: with_shape(faults, shape)?, timings })
}

/// `netsplit+5s` and `leader` make `netsplit:leader+5s`.
fn with_shape(
    faults: Option<Spanned<String>>,
    shape: Option<Spanned<String>>,
) -> Result<Option<Spanned<String>>, Mistake> {
    let Some(shape) = shape else { return Ok(faults) };
    let Some(faults) = faults else {
        return Err((shape.span(), String::from("a shape is one of a fault: name it in `faults`")));
    };
    let text = faults.get_ref();
    if text.contains([',', ':']) {
        return Err((shape.span(), format!("`{text}` is several faults, or has a shape: write their shapes there")));
    }
    let end = text.find(['=', '@', '+', '*']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    Ok(Some(Spanned::new(faults.span(), format!("{name}:{}{rest}", shape.get_ref()))))
}

#[cfg(test)]
mod tests {
    use super::{expand, product};
    use crate::file::MatrixFile;

    fn expanded(row: &str) -> Result<Vec<String>, String> {
        let file = MatrixFile::parse("m", &format!("[[cell]]\nid = \"a\"\nsystem = \"kafka\"\n{row}")).unwrap();
        let cells = expand(&file.rows[0], &file.defaults).map_err(|(_, problem)| problem)?;
        let text = |value: &Option<toml::Spanned<String>>| {
            value.as_ref().map_or_else(|| String::from("-"), |value| value.get_ref().clone())
        };
        let settings = |cell: &super::Combination| {
            cell.settings
                .iter()
                .map(|(name, value)| format!("{name}={}", value.get_ref()))
                .collect::<Vec<_>>()
                .join("+")
        };
        Ok(cells
            .iter()
            .map(|cell| {
                format!("{} {} {} {}", text(&cell.version), text(&cell.preset), settings(cell), text(&cell.faults))
            })
            .collect())
    }

    #[test]
    fn lists_expand_to_every_combination_and_the_last_turns_fastest() {
        let cells = expanded(
            "version = [\"3.9.1\", \"4.1.1\"]\npreset = \"safe\"\nset = { acks = [1, \"all\"], linger = 5 }\nfaults = \"netsplit+5s\"\nshape = [\"leader\", \"followers\"]",
        );
        let cells = cells.unwrap();
        assert_eq!(cells.len(), 8);
        assert_eq!(cells[0], "3.9.1 safe acks=1+linger=5 netsplit:leader+5s");
        assert_eq!(cells[1], "3.9.1 safe acks=1+linger=5 netsplit:followers+5s");
        assert_eq!(cells[7], "4.1.1 safe acks=all+linger=5 netsplit:followers+5s");
    }

    #[test]
    fn what_is_left_out_makes_one_cell() {
        assert_eq!(expanded("").unwrap(), ["- -  -"]);
    }

    #[test]
    fn shapes_without_one_fault_and_lists_without_end_are_refused() {
        assert!(expanded("shape = \"leader\"").unwrap_err().contains("name it in `faults`"));
        assert!(expanded("shape = \"leader\"\nfaults = \"kill:leader\"").unwrap_err().contains("has a shape"));
        let twenty = (0..20).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
        let many = format!("set = {{ a = [{twenty}], b = [{twenty}], c = [{twenty}] }}");
        assert!(expanded(&many).unwrap_err().contains("more than 4096 cells"));
    }

    #[test]
    fn a_product_of_nothing_is_one_empty_row() {
        assert_eq!(product::<u8>(&[]), vec![Vec::<u8>::new()]);
        assert_eq!(product(&[vec![1, 2], vec![]]), Vec::<Vec<u8>>::new());
    }
}
