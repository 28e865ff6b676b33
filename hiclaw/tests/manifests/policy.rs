//! The admission policies, evaluated as an API server would: match conditions, variables, validations. The server of the other tests is older
//! than they are.

use std::sync::Arc;

use cel::extractors::This;
use cel::{Context, Env, Value as Cel};
use serde_json::{Map, Value, json};

use crate::documents;

const CONTROLLER: &str = "system:serviceaccount:hiclaw-system:hiclaw-controller";

/// The kinds, as in the names of their annotations.
const KINDS: [&str; 3] = ["worker", "team", "human"];

/// A request about a resource of this kind.
struct Request<'a> {
    kind: &'a str,
    user: &'a str,
    before: Value,
    after: Value,
    operates: bool,
}

impl Request<'_> {
    /// An object with the names of a worker, as one of the kind.
    fn named(&self, object: &Value) -> Value {
        let names = format!("hiclaw.io/{}-", self.kind);
        serde_json::from_str(&object.to_string().replace("hiclaw.io/worker-", &names)).unwrap()
    }

    fn evaluate(&self, expression: &str, variables: &Map<String, Value>) -> Value {
        let env = Arc::new(Env::stdlib());
        let program = env.compile(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        let mut context = Context::with_env(env);
        let resource = format!("{}s", self.kind);
        let request = json!({ "userInfo": { "username": self.user }, "resource": { "resource": resource } });
        context.add_variable("request", request).unwrap();
        context.add_variable("oldObject", self.named(&self.before)).unwrap();
        context.add_variable("object", self.named(&self.after)).unwrap();
        context.add_variable("variables", variables.clone()).unwrap();
        // The authorizer is the verb that the user has besides those that everybody has here.
        context.add_variable("authorizer", if self.operates { "operate" } else { "" }).unwrap();
        for step in ["group", "resource", "namespace", "name"] {
            context.add_function(step, |This(this): This<Arc<String>>, _: Arc<String>| this).unwrap();
        }
        context.add_function("check", |This(this): This<Arc<String>>, verb: Arc<String>| this == verb).unwrap();
        context.add_function("allowed", |This(this): This<bool>| this).unwrap();
        let value: Cel = program.execute(&context).unwrap_or_else(|error| panic!("{expression}: {error}"));
        value.json().unwrap()
    }

    /// What the policy says against it.
    fn refusal(&self, policy: &Value) -> Option<String> {
        let texts = |list: &str| policy["spec"][list].as_array().unwrap().clone();
        let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
        let mut variables = Map::new();
        for condition in texts("matchConditions") {
            if self.evaluate(&text(&condition, "expression"), &variables) != json!(true) {
                return None;
            }
        }
        for variable in texts("variables") {
            let value = self.evaluate(&text(&variable, "expression"), &variables);
            variables.insert(text(&variable, "name"), value);
        }
        let mut validations = texts("validations").into_iter();
        let failed = validations.find(|it| self.evaluate(&text(it, "expression"), &variables) != json!(true))?;
        Some(text(&failed, "message"))
    }
}

fn policy(name: &str) -> Value {
    let is = |it: &Value| it["kind"] == "ValidatingAdmissionPolicy" && it["metadata"]["name"] == name;
    let all = documents("policy.yaml");
    let policy = all.iter().find(|it| is(it)).unwrap().clone();
    assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    let binds = |it: &&Value| it["kind"] == "ValidatingAdmissionPolicyBinding" && it["spec"]["policyName"] == name;
    assert_eq!(all.iter().find(binds).unwrap()["spec"]["validationActions"], json!(["Deny"]));
    policy
}

fn object(annotations: Value, finalizers: Value, seq: Option<u64>) -> Value {
    let mut object = json!({ "metadata": { "name": "alice", "namespace": "default" } });
    if annotations.is_object() {
        object["metadata"]["annotations"] = annotations;
    }
    if finalizers.is_array() {
        object["metadata"]["finalizers"] = finalizers;
    }
    if let Some(seq) = seq {
        object["status"] = json!({ "fsm": { "seq": seq } });
    }
    object
}

fn recorded() -> Value {
    object(json!({ "hiclaw.io/worker-record": "{…}", "team": "a" }), json!(["hiclaw.io/worker-cleanup"]), Some(7))
}

#[test]
fn only_the_controller_changes_record_finalizer_and_sequence_number() {
    let policy = policy("hiclaw-record");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut worker = recorded();
        change(&mut worker);
        worker
    };
    let annotation =
        |key: &'static str, value: &'static str| with(&move |it| it["metadata"]["annotations"][key] = json!(value));
    let dropped =
        with(&|it| drop(it["metadata"]["annotations"].as_object_mut().unwrap().remove("hiclaw.io/worker-record")));
    let replaced = object(Value::Null, Value::Null, Some(7));
    let rows = [
        ("a label by anybody", recorded(), with(&|it| it["metadata"]["labels"] = json!({ "a": "b" })), None),
        ("another annotation", recorded(), annotation("team", "b"), None),
        ("a request to retry", recorded(), annotation("hiclaw.io/worker-retry", ""), None),
        ("the spec", recorded(), with(&|it| it["spec"] = json!({ "image": "b" })), None),
        ("a forged record", recorded(), annotation("hiclaw.io/worker-record", "{}"), Some("record")),
        ("a dropped record", recorded(), dropped, Some("record")),
        ("a first record", object(Value::Null, Value::Null, None), recorded(), Some("record")),
        ("a replaced object", recorded(), replaced, Some("record")),
        (
            "a dropped finalizer",
            recorded(),
            with(&|it| it["metadata"]["finalizers"] = json!(["other"])),
            Some("finalizer"),
        ),
        (
            "another finalizer",
            recorded(),
            with(&|it| it["metadata"]["finalizers"].as_array_mut().unwrap().push(json!("x"))),
            None,
        ),
        ("a rolled-back number", recorded(), with(&|it| it["status"]["fsm"]["seq"] = json!(3)), Some("status.fsm.seq")),
        (
            "a dropped status",
            recorded(),
            with(&|it| drop(it.as_object_mut().unwrap().remove("status"))),
            Some("status.fsm.seq"),
        ),
        (
            "nothing of ours at all",
            object(Value::Null, Value::Null, None),
            object(Value::Null, Value::Null, None),
            None,
        ),
    ];
    let mut refused = 0;
    let of_all_kinds = rows.iter().flat_map(|row| KINDS.map(|kind| (kind, row.clone())));
    for (kind, (what, before, after, expected)) in of_all_kinds {
        let mut request = Request { kind, user: "jane", before, after, operates: true };
        let refusal = request.refusal(&policy);
        match expected {
            None => assert_eq!(refusal, None, "{what}"),
            Some(word) => assert!(refusal.as_ref().is_some_and(|it| it.contains(word)), "{what}: {refusal:?}"),
        }
        refused += usize::from(refusal.is_some());
        request.user = CONTROLLER;
        assert_eq!(request.refusal(&policy), None, "{what}, by the controller");
    }
    assert_eq!(refused, 7 * KINDS.len());
}

#[test]
fn only_an_operator_says_what_became_of_an_effect() {
    let policy = policy("hiclaw-requests");
    let asking = |verb: &str, value: &str| {
        let mut worker = recorded();
        worker["metadata"]["annotations"][format!("hiclaw.io/worker-{verb}")] = json!(value);
        worker
    };
    for (kind, verb) in KINDS.iter().flat_map(|kind| ["resolve", "rebind", "release"].map(|verb| (*kind, verb))) {
        for (before, after, is_asked) in [
            (recorded(), asking(verb, "now"), true),
            (Value::Null, asking(verb, "now"), true),
            (asking(verb, "then"), asking(verb, "now"), true),
            (asking(verb, "now"), asking(verb, "now"), false),
            (asking(verb, "now"), recorded(), false),
        ] {
            let mut request = Request { kind, user: "jane", before, after, operates: false };
            assert_eq!(request.refusal(&policy).is_some(), is_asked, "{verb}");
            request.operates = true;
            assert_eq!(request.refusal(&policy), None, "{verb}, by an operator");
            (request.operates, request.user) = (false, CONTROLLER);
            assert_eq!(request.refusal(&policy), None, "{verb}, by the controller");
        }
    }
    // A new object that brings a record along.
    let mut brought = Request { kind: "team", user: "jane", before: Value::Null, after: recorded(), operates: false };
    assert!(brought.refusal(&policy).is_some_and(|it| it.contains("a new object with a record")));
    brought.operates = true;
    assert_eq!(brought.refusal(&policy), None);
    (brought.operates, brought.after) = (false, object(json!({ "team": "a" }), Value::Null, None));
    assert_eq!(brought.refusal(&policy), None);
    for verb in ["retry", "pause", "resume"] {
        let request =
            Request { kind: "human", user: "jane", before: recorded(), after: asking(verb, ""), operates: false };
        assert_eq!(request.refusal(&policy), None, "{verb}");
    }
}
