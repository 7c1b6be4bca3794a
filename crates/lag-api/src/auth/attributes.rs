//! What a request asks for, in the words of Kubernetes' authorizers (`RequestInfo` of its API server).

use std::fmt;

use http::Method;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Attributes {
    /// Something in an API group.
    Resource {
        /// `get` for one thing, `list` for all of its kind.
        verb: &'static str,
        /// For example `external.metrics.k8s.io`.
        group: String,
        /// For example `v1beta1`.
        version: String,
        /// Empty where the resource has none.
        namespace: String,
        /// For example `pods`, or the name of an external metric.
        resource: String,
        /// For example the name of a metric of pods; empty where there is none.
        subresource: String,
        /// Empty for a list.
        name: String,
    },
    /// A path that is no resource's, for example `/apis`.
    Path {
        /// The method in lower case.
        verb: String,
        /// The path.
        path: String,
    },
}

impl Attributes {
    /// Reads them off a request.
    #[must_use]
    pub fn of(method: &Method, path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return Self::Path { verb: method.as_str().to_ascii_lowercase(), path: path.to_owned() },
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            _ => ("", rest),
        };
        let part = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
        Self::Resource {
            verb: verb(method, rest.len() > 1),
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            resource: part(0),
            name: part(1),
            subresource: part(2),
        }
    }

    /// Whether only groups, versions or names of metrics are asked for.
    #[must_use]
    pub fn is_discovery(&self) -> bool {
        match self {
            Self::Path { verb, path } => verb == "get" && (path == "/apis" || path.starts_with("/apis/")),
            Self::Resource { .. } => false,
        }
    }
}

fn verb(method: &Method, has_name: bool) -> &'static str {
    match (method.as_str(), has_name) {
        ("GET" | "HEAD", true) => "get",
        ("GET" | "HEAD", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        // Nobody is permitted a verb without a name.
        _ => "",
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { verb, path } => write!(formatter, "{verb} {path}"),
            Self::Resource { verb, group, namespace, resource, subresource, .. } => {
                let slash = if subresource.is_empty() { "" } else { "/" };
                write!(
                    formatter,
                    "{verb} {resource}{slash}{subresource} of {group} in namespace {namespace:?}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: [&str; 7]) {
        let [verb, group, version, namespace, resource, name, subresource] = expected;
        let attributes = Attributes::of(&Method::GET, path);
        let Attributes::Resource {
            verb: a_verb,
            group: a_group,
            version: a_version,
            namespace: a_namespace,
            resource: a_resource,
            subresource: a_subresource,
            name: a_name,
        } = attributes
        else {
            panic!("{path} is a resource's, not {attributes:?}")
        };
        assert_eq!(
            [a_verb, &a_group, &a_version, &a_namespace, &a_resource, &a_name, &a_subresource],
            [verb, group, version, namespace, resource, name, subresource],
            "{path}"
        );
    }

    #[test]
    fn attributes_are_read_as_the_api_server_reads_them() {
        let external = "/apis/external.metrics.k8s.io/v1beta1/namespaces/king/kafka_lag";
        check(external, ["list", "external.metrics.k8s.io", "v1beta1", "king", "kafka_lag", "", ""]);
        let custom = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/king/pods/*/lag";
        check(custom, ["get", "custom.metrics.k8s.io", "v1beta2", "king", "pods", "*", "lag"]);
        check("/apis/g/v1/namespaces/king", ["get", "g", "v1", "", "namespaces", "king", ""]);
    }

    #[test]
    fn everything_else_is_a_path() {
        for path in ["/", "/apis", "/apis/g", "/apis/g/v1", "/openapi/v2", "/metrics"] {
            let expected = Attributes::Path { verb: "get".to_owned(), path: path.to_owned() };
            assert_eq!(Attributes::of(&Method::GET, path), expected);
            assert_eq!(expected.is_discovery(), path.starts_with("/apis"), "{path}");
        }
    }
}
