//! Rules of a Gateway's addresses.

use std::net::IpAddr;

use crate::manifest::tree::Node;
use crate::schema::Report;
use crate::schema::patterns::HOSTNAME;

pub(in crate::schema) fn ip_address_is_one(address: &Node, report: &mut Report) {
    if address.text("type") == Some("IPAddress")
        && let Some(value) = address.get("value")
        && value.as_text().is_none_or(|value| value.parse::<IpAddr>().is_err())
    {
        let found = report.show(value);
        report.problem("value", format!("found {found}, expected an IPv4 or IPv6 address"));
    }
}

pub(in crate::schema) fn hostname_is_one(address: &Node, report: &mut Report) {
    if address.text("type") == Some("Hostname")
        && let Some(value) = address.get("value")
        && !value.as_text().is_some_and(|value| HOSTNAME.matches(value))
    {
        report
            .problem("value", format!("found {}, expected {}", report.show(value), HOSTNAME.says));
    }
}

pub(in crate::schema) fn ip_addresses_are_unique(addresses: &Node, report: &mut Report) {
    are_unique("IPAddress", addresses, report);
}

pub(in crate::schema) fn hostnames_are_unique(addresses: &Node, report: &mut Report) {
    are_unique("Hostname", addresses, report);
}

fn are_unique(r#type: &str, addresses: &Node, report: &mut Report) {
    let value = |address: &Node| {
        (address.text("type") == Some(r#type)).then(|| address.text("value").map(str::to_owned))?
    };
    let values: Vec<Option<String>> = addresses.items().iter().map(value).collect();
    for (index, value) in values.iter().enumerate() {
        if let Some(value) = value
            && let Some(first) = values[..index].iter().position(|o| o.as_ref() == Some(value))
        {
            let text = format!("found {value:?}, which [{first}] has already");
            report.problem(format_args!("[{index}].value"), text);
        }
    }
}
