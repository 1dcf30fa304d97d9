//! `tidegate check`: what the manifests in some files mean, without serving them.
//!
//! The same reading and the same translation as `run`, with every socket assumed to open.

pub(crate) mod report;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use controlplane::source::dns;
use controlplane::source::files::{self, Follow};
use controlplane::{Loaded, reconcile};
use snapshot::{ApplyReport, BindState};
use translate::{Addresses, Proxy, ResolvedNames, Settings, Translation, World};

use self::report::Report;
use self::text::{Style, Tense};
use crate::cli::{CheckArgs, Color, Output, complain, print};
use crate::exit::Exit;

/// Does what `check` was told.
pub(crate) fn run(args: &CheckArgs) -> Exit {
    let loaded =
        files::load(&Follow { paths: args.paths.clone(), given: vec![], rescan: Duration::MAX });
    let translation = translate_as_if_bound(&loaded);
    let report = Report::new(&loaded, &translation);
    let exit = exit(&report, args.strict);
    let answer = match args.output {
        Output::Text => Ok(text::render(&report, style(args.color), Tense::Would(exit))),
        Output::Json => serde_json::to_string_pretty(&report)
            .map(|text| text + "\n")
            .map_err(|error| error.to_string()),
        Output::Yaml => serde_saphyr::to_string(&report).map_err(|error| error.to_string()),
    };
    match answer {
        Ok(answer) => {
            print(&answer);
            exit
        }
        Err(error) => {
            complain(&format!("the answer cannot be written: {error}"));
            Exit::Usage
        }
    }
}

fn exit(report: &Report, strict: bool) -> Exit {
    let summary = &report.summary;
    if report.problems.iter().any(|problem| problem.unreadable) {
        Exit::Usage
    } else if summary.errors > 0 || (strict && summary.warnings > 0) {
        Exit::Failed
    } else {
        Exit::Ok
    }
}

/// Translates twice: the second time every socket of the first is open.
fn translate_as_if_bound(loaded: &Loaded) -> Translation {
    // Nothing is looked up: every name stands for one endpoint, at an address of RFC 5737.
    let endpoint = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let names: ResolvedNames =
        dns::names(&loaded.objects).into_iter().map(|name| (name, vec![endpoint])).collect();
    let addresses = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let settings = settings(vec![]);
    let translate = |applied: &BTreeMap<Proxy, ApplyReport>| {
        translate::translate(&World {
            objects: &loaded.objects,
            settings: &settings,
            addresses: Addresses::Own(&addresses),
            applied,
            names: &names,
            now: reconcile::unix_now(),
        })
    };
    let first = translate(&BTreeMap::new());
    let binds = first.snapshots.get(&Proxy::Standalone).map(|snapshot| &snapshot.binds);
    let bound = binds.into_iter().flatten().map(|(key, _)| (*key, BindState::Bound)).collect();
    let applied = [(Proxy::Standalone, ApplyReport { version: 1, binds: bound })];
    translate(&applied.into())
}

/// The settings of a standalone process whose own endpoints use some TCP ports.
pub(crate) fn settings(reserved_ports: Vec<u16>) -> Settings {
    Settings {
        controller_name: gwapi::CONTROLLER_NAME.to_owned(),
        bundle_version: None,
        reserved_ports,
        trust_endpoints: true,
    }
}

fn style(color: Color) -> Style {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let color = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => std::io::stdout().is_terminal() && variable("NO_COLOR").is_none(),
    };
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    let unicode = locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.ends_with("utf-8") || locale.ends_with("utf8")
    });
    Style { color, unicode }
}
