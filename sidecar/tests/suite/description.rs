//! The `OpenAPI` description of the workload API, against which every answer of these tests is held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jsonschema::Validator;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../docs/openapi/workload-api.yaml");
    serde_yaml::from_str(text).unwrap()
});

static OPERATIONS: LazyLock<BTreeMap<String, Operation>> = LazyLock::new(|| {
    let paths = DESCRIPTION["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            ["get", "post"].into_iter().filter_map(move |method| {
                let name = format!("{} {path}", method.to_uppercase());
                Some((name, Operation::read(item.get(method)?)))
            })
        })
        .collect()
});

/// One way to ask, by its statuses.
struct Operation(BTreeMap<u16, Response>);

/// What a status comes with.
struct Response {
    /// The body's schema; without one the body is empty.
    body: Option<Schema>,
    headers: BTreeMap<String, Header>,
}

struct Header {
    required: bool,
    schema: Schema,
}

struct Schema {
    validator: Validator,
    text: Value,
}

/// The whole description.
pub fn description() -> &'static Value {
    &DESCRIPTION
}

/// The method and path of everything that is described: `POST /oauth/token`.
pub fn operations() -> BTreeSet<&'static str> {
    OPERATIONS.keys().map(String::as_str).collect()
}

/// Every refusal that is described: operation, status, rule.
pub fn refusals() -> BTreeSet<(String, u16, String)> {
    let responses = OPERATIONS.iter().flat_map(|(operation, described)| {
        described
            .0
            .iter()
            .map(move |(status, response)| (operation, status, response))
    });
    responses
        .flat_map(|(operation, status, response)| {
            let rules = response.body.as_ref().map_or(Vec::new(), Schema::rules);
            rules
                .into_iter()
                .map(move |rule| (operation.clone(), *status, rule))
        })
        .collect()
}

/// Asserts that an answer is one that the description knows. The path is without the query.
pub fn assert_described(method: &str, path: &str, status: u16, headers: &HeaderMap, body: &str) {
    let asked = match method {
        "HEAD" => "GET",
        other => other,
    };
    let Some(operation) = OPERATIONS.get(&format!("{asked} {path}")) else {
        // Another path or method, or the admin listener.
        return;
    };
    let told = format!("{method} {path}: {status} {headers:?} {body}");
    let response = operation.0.get(&status);
    let response = response.unwrap_or_else(|| panic!("an undescribed status: {told}"));
    for (name, header) in &response.headers {
        match headers.get(name) {
            Some(value) => header.schema.check(&json!(value.to_str().unwrap()), &told),
            None => assert!(!header.required, "without {name}: {told}"),
        }
    }
    let by_hyper = status == 431;
    match &response.body {
        // A refusal by challenge has none.
        _ if body.is_empty() => assert!(
            method == "HEAD" || by_hyper || path == "/validate",
            "{told}"
        ),
        None => panic!("an undescribed body: {told}"),
        Some(schema) => {
            assert_eq!(headers["content-type"], "application/json", "{told}");
            schema.check(&serde_json::from_str(body).unwrap(), &told);
        }
    }
}

impl Operation {
    fn read(operation: &'static Value) -> Self {
        let responses = operation["responses"].as_object().unwrap().iter();
        Self(
            responses
                .map(|(status, response)| {
                    (status.parse().unwrap(), Response::read(resolve(response)))
                })
                .collect(),
        )
    }
}

impl Response {
    fn read(response: &'static Value) -> Self {
        let body = response.pointer("/content/application~1json/schema");
        let headers = response["headers"].as_object().into_iter().flatten();
        let headers = headers.map(|(name, header)| {
            let header = resolve(header);
            let required = header["required"] == true;
            let schema = Schema::read(&header["schema"]);
            (name.clone(), Header { required, schema })
        });
        Self {
            body: body.map(Schema::read),
            headers: headers.collect(),
        }
    }
}

impl Schema {
    fn read(schema: &Value) -> Self {
        // References are to be found from the root.
        let rooted = json!({ "allOf": [schema], "components": DESCRIPTION["components"] });
        Self {
            validator: jsonschema::draft202012::new(&rooted).unwrap(),
            text: schema.clone(),
        }
    }

    fn check(&self, value: &Value, told: &str) {
        if let Err(error) = self.validator.validate(value) {
            panic!("{error}\nin the answer to {told}");
        }
    }

    /// The rules of an error, from the pattern `\((one|other)[:)]` of its description.
    fn rules(&self) -> Vec<String> {
        let pattern = self.text.pointer("/properties/error_description/pattern");
        let Some(pattern) = pattern.and_then(Value::as_str) else {
            return Vec::new();
        };
        let rules = pattern.strip_prefix(r"\((").unwrap();
        let rules = rules.strip_suffix(")[:)]").unwrap();
        rules.split('|').map(str::to_owned).collect()
    }
}

fn resolve(value: &'static Value) -> &'static Value {
    let Some(reference) = value["$ref"].as_str() else {
        return value;
    };
    let pointer = reference.strip_prefix('#').unwrap();
    DESCRIPTION.pointer(pointer).unwrap()
}
