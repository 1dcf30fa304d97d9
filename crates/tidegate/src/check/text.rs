//! A [`Report`] as text for people: pure, a report in, lines out.
//!
//! Colour never carries meaning alone; every sign has an ASCII form for terminals without UTF-8.

use std::fmt::Write as _;

use translate::Severity;

use super::report::{
    BackendReport, FindingReport, ListenerReport, ObjectReport, Report, RouteReport,
};
use crate::exit::Exit;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub color: bool,
    pub unicode: bool,
}

/// Whether this happens or is only said of manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tense {
    /// Of manifests, by a command that ends so.
    Would(Exit),
    /// Of a running process.
    Does,
}

/// Where the places of objects stand.
const PLACE_COLUMN: usize = 72;
/// Where the routes of listeners stand, unless a name is too long.
const ROUTE_COLUMN: usize = 38;
/// Further right they never begin: a wildcard of many labels would push them off the screen.
const LAST_ROUTE_COLUMN: usize = 64;
/// Where the exit code stands.
const EXIT_COLUMN: usize = 92;
/// What belongs to the line before.
const DETAIL: &str = "          ";

/// Writes the text.
pub(crate) fn render(report: &Report, style: Style, tense: Tense) -> String {
    let mut page = Page { text: String::new(), style };
    for problem in &report.problems {
        let place = match problem.place.column {
            Some(column) => format!("{}:{column}", problem.place.long()),
            None => problem.place.long(),
        };
        let line = format!("{} {place}: {}", page.bad(), problem.message);
        page.line(&line);
    }
    for object in &report.objects {
        page.object(object);
    }
    page.summary(report, tense);
    page.text
}

struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn sign(&self, unicode: &str, ascii: &str, color: &str) -> String {
        let sign = if self.style.unicode { unicode } else { ascii };
        if self.style.color { format!("\x1b[{color}m{sign}\x1b[0m") } else { sign.to_owned() }
    }

    fn good(&self) -> String {
        self.sign("✔", "ok", "32")
    }

    fn warn(&self) -> String {
        self.sign("!", "!", "33")
    }

    fn bad(&self) -> String {
        self.sign("✖", "x", "31")
    }

    fn sign_of(&self, severity: Severity) -> String {
        match severity {
            Severity::Error => self.bad(),
            Severity::Warning => self.warn(),
        }
    }

    fn arrow(&self) -> &'static str {
        if self.style.unicode { "→" } else { "->" }
    }

    fn object(&mut self, object: &ObjectReport) {
        let has_listeners = !object.listeners.is_empty();
        if !has_listeners && object.findings.is_empty() && !object.kept && !is_ignored(object) {
            return;
        }
        let mut title = object.object.to_string();
        if let Some(class) = &object.class {
            let _ = write!(title, "  (class {class})");
        }
        let place = object.place.as_ref().map(|place| place.long()).unwrap_or_default();
        self.line(&format!("{}  {place}", pad(&title, PLACE_COLUMN)));
        if object.kept {
            let sign = self.warn();
            self.line(&format!(
                "  {sign} what stands there now cannot be read; this is its last valid version"
            ));
        }
        if is_ignored(object) {
            let sign = self.warn();
            self.line(&format!("  {sign} ignored: its class is not one of ours"));
        }
        let width = object.listeners.iter().map(|listener| listener.name.chars().count()).max();
        let fronts: Vec<_> =
            object.listeners.iter().map(|listener| front(listener, width.unwrap_or(0))).collect();
        let longest = fronts.iter().map(|front| front.chars().count() + 4).max().unwrap_or(0);
        let column = longest.clamp(ROUTE_COLUMN, LAST_ROUTE_COLUMN);
        for (index, listener) in object.listeners.iter().enumerate() {
            let findings: Vec<_> = object
                .findings
                .iter()
                .filter(|finding| place_of(finding, object) == Some(index))
                .collect();
            self.listener(listener, &fronts[index], column, &findings);
        }
        for finding in &object.findings {
            if place_of(finding, object).is_none() {
                self.finding(finding, &parents(finding));
            }
        }
    }

    fn listener(
        &mut self,
        listener: &ListenerReport,
        front: &str,
        column: usize,
        findings: &[&FindingReport],
    ) {
        let sign = match listener.programmed {
            false => self.bad(),
            true if is_served(listener) => self.good(),
            true => self.warn(),
        };
        let front = format!("  {sign} {}", pad(front, column - 4));
        let mut findings = findings.iter();
        if listener.programmed {
            let mut lines = self.routes(listener).into_iter();
            self.line(&format!("{front} {}", lines.next().unwrap_or_default()));
            for line in lines {
                self.line(&format!("{:column$} {line}", ""));
            }
        } else if let Some(first) = findings.next() {
            self.line(&format!("{front} not programmed: {}", first.message));
            self.details(first);
        } else {
            let programmed = listener.conditions.iter().find(|c| c.r#type == "Programmed");
            let message = programmed.map(|condition| condition.message.as_str());
            self.line(&format!(
                "{front} not programmed: {}",
                message.unwrap_or("not reported yet")
            ));
        }
        for finding in findings {
            self.finding(finding, "");
        }
    }

    fn routes(&self, listener: &ListenerReport) -> Vec<String> {
        let nothing = match listener.protocol.as_str() {
            "UDP" => "no route: datagrams are dropped",
            _ => "no route: connections are reset",
        };
        if listener.routes.is_empty() {
            return vec![nothing.to_owned()];
        }
        listener.routes.iter().map(|route| self.route(route)).collect()
    }

    fn route(&self, route: &RouteReport) -> String {
        let total: u64 = route.backends.iter().map(|backend| u64::from(backend.weight)).sum();
        let share = |backend: &BackendReport| match (route.backends.len(), total) {
            (0 | 1, _) | (_, 0) => String::new(),
            (_, total) => format!("{}% ", u64::from(backend.weight) * 100 / total),
        };
        let backends: Vec<_> = route
            .backends
            .iter()
            .map(|backend| {
                let state = match &backend.refused {
                    Some(reason) => format!("refused: {reason}"),
                    None => count(backend.endpoints, "endpoint"),
                };
                format!("{}{} ({state})", share(backend), backend.backend)
            })
            .collect();
        let mut text = route.route.clone();
        if !route.hostnames.is_empty() {
            let _ = write!(text, " {}", route.hostnames.join(" "));
        }
        format!("{text} {} {}", self.arrow(), backends.join(", "))
    }

    fn finding(&mut self, finding: &FindingReport, of: &str) {
        let sign = self.sign_of(finding.severity);
        self.line(&format!("  {sign} {of}{}", finding.message));
        self.details(finding);
    }

    fn details(&mut self, finding: &FindingReport) {
        let mut said: Vec<_> = finding
            .conditions
            .iter()
            .map(|said| format!("{}={} ", said.r#type, said.status))
            .collect();
        said.dedup();
        let mut line = format!("{DETAIL}{}{}", said.concat(), finding.id);
        if let Some(field) = &finding.field {
            let _ = write!(line, "   {field}");
        }
        if let Some(place) = &finding.place {
            let _ = write!(line, "  {}", place.short());
        }
        self.line(&line);
        match &finding.fix {
            Some(fix) => self.line(&format!("{DETAIL}fix: {fix}   {}", finding.docs)),
            None => self.line(&format!("{DETAIL}{}", finding.docs)),
        }
    }

    fn summary(&mut self, report: &Report, tense: Tense) {
        let summary = &report.summary;
        let sockets = match summary.sockets.as_slice() {
            [] => "nothing".to_owned(),
            sockets => sockets.join(" "),
        };
        let verb = match tense {
            Tense::Would(_) => "would listen on",
            Tense::Does => "listening on",
        };
        let foreign = match summary.foreign {
            0 => String::new(),
            foreign => format!(" ({foreign} of other kinds passed over)"),
        };
        let line = format!(
            "{}{foreign}, {}, {}; {verb} {sockets}",
            count(summary.objects, "object"),
            count(summary.errors, "error"),
            count(summary.warnings, "warning"),
        );
        match tense {
            Tense::Would(exit) => {
                self.line(&format!("{}  exit {}", pad(&line, EXIT_COLUMN), exit.code()));
            }
            Tense::Does => self.line(&line),
        }
    }
}

fn front(listener: &ListenerReport, width: usize) -> String {
    let ListenerReport { name, protocol, port, hostname, .. } = listener;
    let mut front = format!("{} {protocol} :{port}", pad(name, width));
    if let Some(hostname) = hostname {
        let _ = write!(front, " {hostname}");
    }
    front
}

/// Whether no share of a route is refused. A listener without a route waits for one.
fn is_served(listener: &ListenerReport) -> bool {
    let backends = listener.routes.iter().flat_map(|route| &route.backends);
    backends.filter(|backend| backend.weight > 0).all(|backend| backend.endpoints > 0)
}

/// A Gateway of which nothing is said belongs to another implementation.
fn is_ignored(object: &ObjectReport) -> bool {
    object.class.is_some() && object.conditions.is_empty() && object.findings.is_empty()
}

/// The listener that a finding is about, by its number.
fn place_of(finding: &FindingReport, object: &ObjectReport) -> Option<usize> {
    let named = finding.conditions.iter().find_map(|said| {
        object.listeners.iter().position(|listener| listener.name == said.section)
    });
    let numbered = || {
        let rest = finding.field.as_deref()?.strip_prefix("spec.listeners[")?;
        let index: usize = rest.split(']').next()?.parse().ok()?;
        (index < object.listeners.len()).then_some(index)
    };
    named.or_else(numbered)
}

/// The parents of a route that a finding is about.
fn parents(finding: &FindingReport) -> String {
    let mut parents: Vec<_> = finding
        .conditions
        .iter()
        .map(|said| said.section.as_str())
        .filter(|section| !section.is_empty())
        .collect();
    parents.dedup();
    match parents.as_slice() {
        [] => String::new(),
        [parent] => format!("parent {parent}: "),
        parents => format!("parents {}: ", parents.join(", ")),
    }
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:width$}")
}

#[cfg(test)]
mod tests;
