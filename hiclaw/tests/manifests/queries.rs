//! Alerts and dashboard ask for metrics that the library exposes, by labels that they have, and alerts name pages that are there.

use std::collections::BTreeSet;

use durable_fsm_kube::{Metrics, Phase, RUNBOOK, Reason};
use promql_parser::parser::{Expr, VectorSelector};
use serde_json::Value;

use super::{documents, text};

/// The labels of the metrics.
const LABELS: [&str; 9] = ["machine", "state", "condition", "reason", "transition", "action", "class", "error", "le"];

/// The vector selectors of a query.
fn selectors(expr: &Expr) -> Vec<&VectorSelector> {
    match expr {
        Expr::Aggregate(it) => selectors(&it.expr),
        Expr::Unary(it) => selectors(&it.expr),
        Expr::Binary(it) => [selectors(&it.lhs), selectors(&it.rhs)].concat(),
        Expr::Paren(it) => selectors(&it.expr),
        Expr::Subquery(it) => selectors(&it.expr),
        Expr::VectorSelector(it) => vec![it],
        Expr::MatrixSelector(it) => vec![&it.vs],
        Expr::Call(it) => it.args.args.iter().flat_map(|it| selectors(it)).collect(),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Vec::new(),
    }
}

/// A query asks for metrics that are exposed. Gives their names.
fn check(query: &str) -> BTreeSet<String> {
    let parsed = promql_parser::parser::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let selectors = selectors(&parsed);
    assert!(!selectors.is_empty(), "{query}");
    let names = selectors.iter().map(|selector| {
        let name = selector.name.clone().unwrap();
        assert!(Metrics::NAMES.contains(&name.as_str()), "{name} is none of {:?}", Metrics::NAMES);
        for matcher in &selector.matchers.matchers {
            assert!(LABELS.contains(&matcher.name.as_str()), "{query}: no metric has the label {}", matcher.name);
            let is_known = |value: &str| match matcher.name.as_str() {
                "condition" => Reason::ALL.iter().any(|reason| reason.phase().name() == value),
                "reason" => Reason::ALL.iter().any(|reason| reason.name() == value),
                _ => true,
            };
            assert!(matcher.value.split('|').all(is_known), "{query}: {} is never {}", matcher.name, matcher.value);
        }
        name
    });
    names.collect()
}

fn rules() -> Vec<Value> {
    let [alerts] = documents("alerts.yaml").try_into().unwrap();
    alerts["spec"]["groups"][0]["rules"].as_array().unwrap().clone()
}

#[test]
fn the_alerts_ask_for_metrics_that_are_there_and_name_pages_that_are_there() {
    let rules = rules();
    assert!(rules.len() >= 3);
    for rule in rules {
        check(rule["expr"].as_str().unwrap());
        let page = rule["annotations"]["runbook_url"].as_str().unwrap().strip_prefix(RUNBOOK).unwrap();
        let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/runbook");
        assert!(std::path::Path::new(&format!("{pages}{page}")).is_file(), "{page}");
    }
}

#[test]
fn what_is_held_leaves_or_rolls_back_for_too_long_is_an_alert() {
    let queries: Vec<String> = rules().iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect();
    let held = format!("condition=\"{}\"", Phase::Held.name());
    let back = format!("reason=\"{}\"", Reason::RollingBack.name());
    for part in
        [&*held, &*back, "durable_fsm_oldest_held_timestamp_seconds", "durable_fsm_oldest_deleting_timestamp_seconds"]
    {
        assert!(queries.iter().any(|query| query.contains(part)), "no alert asks for {part}");
    }
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let dashboard: Value = serde_json::from_str(&text("dashboard.json")).unwrap();
    let variables: Vec<&str> =
        dashboard["templating"]["list"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(variables, ["source", "machine"]);
    let (mut shown, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have one id");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty() && panel["datasource"]["uid"] == "${source}", "{}", panel["title"]);
        for target in targets {
            let query = target["expr"].as_str().unwrap();
            shown.extend(check(query));
            assert!(query.contains("machine=~\"$machine\""), "{query}: the choice of a machine does nothing");
        }
    }
    // A histogram is shown by its buckets. Its sum is there for averages, which hide what is slow.
    let is_shown = |name: &&str| shown.contains(*name) || name.ends_with("_sum") || name.ends_with("_count");
    let hidden: Vec<_> = Metrics::NAMES.iter().filter(|name| !is_shown(name)).collect();
    assert!(hidden.is_empty(), "{hidden:?} are not on the dashboard");
}
