//! Reads the Prometheus text of `/metrics`.

use std::collections::BTreeMap;

/// One reading.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Vec<Sample>);

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Metrics {
    /// Reads the text.
    ///
    /// # Panics
    /// When a line is malformed.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        Self(
            lines
                .map(|line| sample(line).unwrap_or_else(|| panic!("not a sample: {line}")))
                .collect(),
        )
    }

    /// The sum over all series of this name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// The series of this name that have these labels.
    pub fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| {
                    sample.labels.get(*label).is_some_and(|found| found == value)
                })
        })
    }

    /// All lines.
    pub fn samples(&self) -> &[Sample] {
        &self.0
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = match line.split_once('}') {
        Some((series, rest)) => (series, rest.trim()),
        None => line.split_once(' ')?,
    };
    let value = value.split_whitespace().next()?.parse().ok()?;
    let (name, mut rest) = series.split_once('{').unwrap_or((series, ""));
    let mut labels = BTreeMap::new();
    while let Some((label, after)) = rest.split_once("=\"") {
        let end = after.find('"')?;
        labels.insert(label.trim_start_matches(',').to_owned(), after[..end].to_owned());
        rest = &after[end + 1..];
    }
    Some(Sample { name: name.to_owned(), labels, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_summed_over_the_labels_that_were_not_named() {
        let metrics = Metrics::parse(
            "# TYPE a counter\na_total{x=\"1\",y=\"p\"} 2\na_total{x=\"2\",y=\"p\"} 3\nb 4.5\n# EOF\n",
        );
        assert_eq!(metrics.sum("a_total", &[]), 5.0);
        assert_eq!(metrics.sum("a_total", &[("x", "2"), ("y", "p")]), 3.0);
        assert_eq!(metrics.sum("a_total", &[("y", "q")]), 0.0);
        assert_eq!(metrics.sum("b", &[]), 4.5);
    }
}
