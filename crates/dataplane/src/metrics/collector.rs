//! The names, labels and help texts of every metric, and the sums a scrape asks for. Counts
//! nothing itself.

use std::collections::BTreeSet;
use std::fmt::Error;
use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use snapshot::{BackendName, ListenerName, RouteName};

use super::cells::HistogramSum;
use super::process::Process;
use super::{
    BackendSeries, CONNECT_BOUNDS, DURATION_BOUNDS, ListenerSeries, Metrics, RouteSeries, lock,
};
use crate::outcome::{Attempt, By, CloseReason, Direction, DropReason, FlowClose, Refusal};

/// Label names with values.
#[derive(Debug, Default)]
struct Labels<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Labels<'a> {
    fn of_listener(name: &'a ListenerName) -> Self {
        Self(vec![
            ("gateway_namespace", &name.gateway_namespace),
            ("gateway", &name.gateway),
            ("listener_set", &name.listener_set),
            ("listener", &name.listener),
            ("protocol", &name.protocol),
        ])
    }

    fn of_route(listener: &'a ListenerName, route: &'a RouteName) -> Self {
        Self::of_listener(listener)
            .with("route_kind", &route.kind)
            .with("route_namespace", &route.namespace)
            .with("route", &route.name)
    }

    fn of_backend(self, backend: &'a BackendName, port: &'a str) -> Self {
        self.with("backend_namespace", &backend.namespace)
            .with("backend", &backend.name)
            .with("backend_port", port)
    }

    fn with(mut self, name: &'static str, value: &'a str) -> Self {
        self.0.push((name, value));
        self
    }
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        self.0.iter().try_for_each(|label| label.encode(encoder.encode_label()))
    }
}

fn counter(metric: &mut MetricEncoder<'_>, labels: &Labels<'_>, value: u64) -> Result<(), Error> {
    metric.encode_family(labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
}

fn gauge(metric: &mut MetricEncoder<'_>, labels: &Labels<'_>, value: i64) -> Result<(), Error> {
    metric.encode_family(labels)?.encode_gauge(&value)
}

fn histogram<const N: usize>(
    metric: &mut MetricEncoder<'_>,
    labels: &Labels<'_>,
    bounds: &[f64; N],
    sum: &HistogramSum<N>,
) -> Result<(), Error> {
    let within: u64 = sum.buckets.iter().sum();
    let beyond = (f64::INFINITY, sum.count.saturating_sub(within));
    let buckets: Vec<_> =
        bounds.iter().copied().zip(sum.buckets).chain(std::iter::once(beyond)).collect();
    metric.encode_family(labels)?.encode_histogram::<NoLabelSet>(
        sum.seconds,
        within + beyond.1,
        &buckets,
        None,
    )
}

/// The series a scrape shows, taken once so that no lock is held while text is written.
struct Scrape<'e> {
    encoder: DescriptorEncoder<'e>,
    listeners: Vec<Arc<ListenerSeries>>,
    routes: Vec<Arc<RouteSeries>>,
    backends: Vec<Arc<BackendSeries>>,
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.forget_unused(Instant::now());
        let mut scrape = {
            let series = lock(&self.inner.series);
            Scrape {
                encoder,
                listeners: series.listeners.values().map(|aged| aged.series.clone()).collect(),
                routes: series.routes.values().map(|aged| aged.series.clone()).collect(),
                backends: series.backends.values().map(|aged| aged.series.clone()).collect(),
            }
        };
        scrape.listeners()?;
        scrape.handshakes()?;
        scrape.connections()?;
        scrape.flows()?;
        scrape.bytes()?;
        scrape.backends()?;
        self.encode_applied(&mut scrape.encoder)?;
        self.encode_process(&mut scrape.encoder)
    }
}

fn is_udp(name: &ListenerName) -> bool {
    name.protocol == "UDP"
}

impl Scrape<'_> {
    fn listeners(&mut self) -> Result<(), Error> {
        let name = "tidegate_connections_accepted";
        let help = "Sockets accepted; equals refused plus opened plus those still being decided";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in self.listeners.iter().filter(|series| !is_udp(&series.name)) {
            let labels = Labels::of_listener(&series.name);
            counter(&mut metric, &labels, series.workers.total(|cells| cells.accepted.get()))?;
        }

        let name = "tidegate_connections_refused";
        let help = "Connections that ended before a backend was connected";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in &self.listeners {
            for reason in Refusal::ALL {
                let count = series.workers.total(|cells| cells.refused.get(reason.index()));
                if count > 0 {
                    let labels = Labels::of_listener(&series.name);
                    counter(&mut metric, &labels.with("reason", reason.as_str()), count)?;
                }
            }
        }

        let name = "tidegate_connection_duration_seconds";
        let help = "From accept to close of relayed connections";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for series in self.listeners.iter().filter(|series| !is_udp(&series.name)) {
            let sum = HistogramSum::of(series.workers.iter().map(|cells| &cells.duration));
            histogram(&mut metric, &Labels::of_listener(&series.name), &DURATION_BOUNDS, &sum)?;
        }

        let name = "tidegate_udp_datagrams_dropped";
        let help = "Datagrams that were not sent on";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in &self.listeners {
            for direction in Direction::ALL {
                for reason in DropReason::ALL {
                    let count = series.workers.total(|cells| {
                        let dropped = cells.dropped.get(direction.index());
                        dropped.map_or(0, |counters| counters.get(reason.index()))
                    });
                    if count > 0 {
                        let labels = Labels::of_listener(&series.name)
                            .with("direction", direction.as_str())
                            .with("reason", reason.as_str());
                        counter(&mut metric, &labels, count)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn handshakes(&mut self) -> Result<(), Error> {
        let name = "tidegate_tls_handshakes";
        let help = "TLS handshakes by side and result: ok, or the alert or error it ended with";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in &self.listeners {
            let handshakes = lock(&series.handshakes).clone();
            for ((side, result), count) in &handshakes {
                let labels = Labels::of_listener(&series.name);
                counter(&mut metric, &labels.with("side", side).with("result", result), *count)?;
            }
        }

        let name = "tidegate_tls_handshake_duration_seconds";
        let help = "Successful TLS handshakes with clients";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for series in self.listeners.iter().filter(|series| series.name.protocol == "TLS") {
            let parts = series.workers.iter().map(|cells| &cells.handshake_duration);
            let sum = HistogramSum::of(parts);
            histogram(&mut metric, &Labels::of_listener(&series.name), &CONNECT_BOUNDS, &sum)?;
        }
        Ok(())
    }

    fn connections(&mut self) -> Result<(), Error> {
        let name = "tidegate_connections_opened";
        let help = "Connections that got a backend";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in self.routes.iter().filter(|series| !is_udp(&series.listener)) {
            let labels = Labels::of_route(&series.listener, &series.name);
            counter(&mut metric, &labels, series.workers.total(|cells| cells.opened.get()))?;
        }

        let name = "tidegate_connections_active";
        let help = "Connections being relayed";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for series in self.routes.iter().filter(|series| !is_udp(&series.listener)) {
            let labels = Labels::of_route(&series.listener, &series.name);
            gauge(&mut metric, &labels, series.workers.level(|cells| cells.active.get()))?;
        }

        let name = "tidegate_connections_closed";
        let help = "Relayed connections that ended; exactly one for each opened";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in self.routes.iter().filter(|series| !is_udp(&series.listener)) {
            for by in By::ALL {
                for reason in CloseReason::ALL {
                    let count = series.workers.total(|cells| {
                        let closed = cells.closed.get(by.index());
                        closed.map_or(0, |counters| counters.get(reason.index()))
                    });
                    if count > 0 {
                        let labels = Labels::of_route(&series.listener, &series.name)
                            .with("by", by.as_str())
                            .with("reason", reason.as_str());
                        counter(&mut metric, &labels, count)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn flows(&mut self) -> Result<(), Error> {
        let name = "tidegate_udp_flows_opened";
        let mut metric = self.encoder.encode_descriptor(
            name,
            "UDP flows that got a backend",
            None,
            MetricType::Counter,
        )?;
        for series in self.routes.iter().filter(|series| is_udp(&series.listener)) {
            let labels = Labels::of_route(&series.listener, &series.name);
            counter(&mut metric, &labels, series.workers.total(|cells| cells.opened.get()))?;
        }

        let name = "tidegate_udp_flows_active";
        let mut metric =
            self.encoder.encode_descriptor(name, "UDP flows open", None, MetricType::Gauge)?;
        for series in self.routes.iter().filter(|series| is_udp(&series.listener)) {
            let labels = Labels::of_route(&series.listener, &series.name);
            gauge(&mut metric, &labels, series.workers.level(|cells| cells.active.get()))?;
        }

        let name = "tidegate_udp_flows_closed";
        let help = "UDP flows that ended";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in self.routes.iter().filter(|series| is_udp(&series.listener)) {
            for reason in FlowClose::ALL {
                let count = series.workers.total(|cells| cells.flows_closed.get(reason.index()));
                if count > 0 {
                    let labels = Labels::of_route(&series.listener, &series.name);
                    counter(&mut metric, &labels.with("reason", reason.as_str()), count)?;
                }
            }
        }

        let name = "tidegate_udp_datagrams_received";
        let help = "Datagrams from clients";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in self.routes.iter().filter(|series| is_udp(&series.listener)) {
            let labels = Labels::of_route(&series.listener, &series.name);
            let count = series.workers.total(|cells| cells.received_datagrams.get());
            counter(&mut metric, &labels, count)?;
        }

        let name = "tidegate_udp_datagrams_sent";
        let help = "Datagrams to clients";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in self.routes.iter().filter(|series| is_udp(&series.listener)) {
            let labels = Labels::of_route(&series.listener, &series.name);
            counter(
                &mut metric,
                &labels,
                series.workers.total(|cells| cells.sent_datagrams.get()),
            )?;
        }
        Ok(())
    }

    fn bytes(&mut self) -> Result<(), Error> {
        let name = "tidegate_received_bytes";
        let help = "Payload from clients, TCP and UDP; plaintext where TLS is terminated";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in &self.routes {
            let labels = Labels::of_route(&series.listener, &series.name);
            counter(
                &mut metric,
                &labels,
                series.workers.total(|cells| cells.received_bytes.get()),
            )?;
        }

        let name = "tidegate_sent_bytes";
        let help = "Payload to clients, TCP and UDP; plaintext where TLS is terminated";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in &self.routes {
            let labels = Labels::of_route(&series.listener, &series.name);
            counter(&mut metric, &labels, series.workers.total(|cells| cells.sent_bytes.get()))?;
        }
        Ok(())
    }

    fn backends(&mut self) -> Result<(), Error> {
        let name = "tidegate_backend_connections_active";
        let help = "Connections and flows open to a backend";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for series in &self.backends {
            let port = series.name.port.to_string();
            let labels = series.labels(&port);
            gauge(&mut metric, &labels, series.workers.level(|cells| cells.active.get()))?;
        }

        let name = "tidegate_backend_connect_attempts";
        let help = "Attempts to connect to an endpoint";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for series in &self.backends {
            let port = series.name.port.to_string();
            for result in Attempt::ALL {
                let count = series.workers.total(|cells| cells.attempts.get(result.index()));
                if count > 0 {
                    let labels = series.labels(&port).with("result", result.as_str());
                    counter(&mut metric, &labels, count)?;
                }
            }
        }

        let name = "tidegate_backend_connect_duration_seconds";
        let help = "Successful connects to an endpoint";
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for series in self.backends.iter().filter(|series| !is_udp(&series.listener)) {
            let port = series.name.port.to_string();
            let parts = series.workers.iter().map(|cells| &cells.connect_duration);
            let sum = HistogramSum::of(parts);
            histogram(&mut metric, &series.labels(&port), &CONNECT_BOUNDS, &sum)?;
        }
        Ok(())
    }
}

impl BackendSeries {
    fn labels<'a>(&'a self, port: &'a str) -> Labels<'a> {
        Labels::of_route(&self.listener, &self.route).of_backend(&self.name, port)
    }
}

impl Metrics {
    fn encode_applied(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let applied = lock(&self.inner.applied);

        let name = "tidegate_listener_bound";
        let help = "1 if every socket of the listener is open";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (listener, bound) in &applied.bound {
            gauge(&mut metric, &Labels::of_listener(listener), i64::from(*bound))?;
        }

        let name = "tidegate_certificate_not_after_timestamp_seconds";
        let help = "End of validity of what is really served";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (listener, identity, not_after) in &applied.certificates {
            let (namespace, secret) = identity.split_once('/').unwrap_or(("", identity));
            let labels = Labels::of_listener(listener)
                .with("secret_namespace", namespace)
                .with("secret", secret);
            gauge(&mut metric, &labels, *not_after)?;
        }

        let name = "tidegate_backend_endpoints";
        let help = "Endpoints of the backends a gateway uses";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        let mut seen = BTreeSet::new();
        for used in &applied.clusters {
            let state = used.cluster.state();
            // Two clusters of one backend port, with and without TLS, have the same endpoints.
            if !seen.insert((used.gateway.clone(), state.name.clone())) {
                continue;
            }
            let counts = used.cluster.counts();
            let port = state.name.port.to_string();
            for (label, count) in [
                ("ready", counts.ready),
                ("draining", counts.draining),
                ("unhealthy", counts.unready),
            ] {
                let labels = Labels(vec![
                    ("gateway_namespace", used.gateway.0.as_str()),
                    ("gateway", used.gateway.1.as_str()),
                ])
                .of_backend(&state.name, &port)
                .with("state", label);
                gauge(&mut metric, &labels, i64::try_from(count).unwrap_or(i64::MAX))?;
            }
        }

        let name = "tidegate_snapshot_version";
        encoder
            .encode_descriptor(name, "The snapshot being served", None, MetricType::Gauge)?
            .encode_gauge(&i64::try_from(applied.version).unwrap_or(i64::MAX))?;
        if let Some(since) = applied.at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()) {
            let name = "tidegate_snapshot_applied_timestamp_seconds";
            encoder
                .encode_descriptor(name, "When it was applied", None, MetricType::Gauge)?
                .encode_gauge(&since.as_secs_f64())?;
        }
        Ok(())
    }

    fn encode_process(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let name = "tidegate_proxy_connections";
        encoder
            .encode_descriptor(
                name,
                "Connections and flows being relayed",
                None,
                MetricType::Gauge,
            )?
            .encode_gauge(&self.inner.active.level(|gauge| gauge.get()))?;

        let name = "tidegate_worker_connections";
        let help = "Connections and flows being relayed by one worker";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (worker, active) in self.inner.active.iter().enumerate() {
            let worker = worker.to_string();
            gauge(&mut metric, &Labels(vec![("worker", &worker)]), active.get())?;
        }

        let name = "tidegate_worker_panics";
        encoder
            .encode_descriptor(name, "Connections ended by a panic", None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, f64>(&self.inner.panics.get(), None)?;

        let name = "tidegate_access_log_dropped";
        let help = "Access lines that found the queue full";
        encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, f64>(&self.inner.access_log_dropped.get(), None)?;

        let process = Process::read();
        if let Some(seconds) = process.cpu_seconds {
            encoder
                .encode_descriptor(
                    "process_cpu_seconds",
                    "User and system time",
                    None,
                    MetricType::Counter,
                )?
                .encode_counter::<NoLabelSet, _, f64>(&seconds, None)?;
        }
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory", process.resident_bytes),
            ("process_open_fds", "Open file descriptors", process.open_descriptors),
            ("process_max_fds", "File descriptors that may be open", process.max_descriptors),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                encoder
                    .encode_descriptor(name, help, None, MetricType::Gauge)?
                    .encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))?;
            }
        }
        if let Some(seconds) = process.start_seconds {
            let help = "Start time since 1970";
            encoder
                .encode_descriptor("process_start_time_seconds", help, None, MetricType::Gauge)?
                .encode_gauge(&seconds)?;
        }
        Ok(())
    }
}
