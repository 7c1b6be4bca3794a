//! The manifests that cannot run here, since their images cannot be fetched: the API server checks each of their
//! objects.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use cluster_tests::Demo;

/// Of operators and clouds that are not here.
const FOREIGN: [&str; 4] = ["keda.sh/", "networking.gke.io/", "cloud.google.com/", "external-secrets.io/"];

/// The objects that are there were made by another overlay; and GKE's controller knows no `ingressClassName`.
const EXPECTED_WARNINGS: [&str; 2] = ["last-applied-configuration", "kubernetes.io/ingress.class"];

/// `deploy` in a directory of its own, with the examples in the place of secrets.
pub(crate) fn copy() -> Result<tempfile::TempDir, String> {
    let copy = tempfile::tempdir().map_err(|error| error.to_string())?;
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    run(Command::new("cp").arg("-r").arg(deploy).arg(copy.path()), None)?;
    for name in ["king", "confluent"] {
        let folder = copy.path().join("deploy/secrets").join(name);
        std::fs::copy(folder.join(format!("{name}.env.example")), folder.join(format!("{name}.env")))
            .map_err(|error| error.to_string())?;
    }
    Ok(copy)
}

/// Asks the API server to take an overlay, without keeping anything; every object that it refuses is in the error.
fn dry_run(overlay: &str) -> Result<usize, String> {
    let copy = copy()?;
    let folder = copy.path().join("deploy/overlays").join(overlay);
    let all = run(Command::new("kubectl").arg("kustomize").arg(folder), None)?;
    let documents = all.split("\n---\n");
    let ours = |document: &&str| {
        let version = document.lines().find_map(|line| line.strip_prefix("apiVersion: ")).unwrap_or_default();
        !FOREIGN.iter().any(|foreign| version.starts_with(foreign))
    };
    let documents: Vec<&str> = documents.filter(ours).collect();
    let mut apply = Command::new("kubectl");
    apply.args(["apply", "--dry-run=server", "--filename", "-"]);
    run(&mut apply, Some(&documents.join("\n---\n")))?;
    Ok(documents.len())
}

pub(crate) fn run(command: &mut Command, input: Option<&str>) -> Result<String, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut stdin = child.stdin.take().ok_or("no input")?;
    stdin.write_all(input.unwrap_or_default().as_bytes()).map_err(|error| error.to_string())?;
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    // A warning counts as a refusal: of Pod Security, or of an API that is on its way out.
    let is_expected = |line: &str| EXPECTED_WARNINGS.iter().any(|expected| line.contains(expected));
    let warns = said.lines().any(|line| line.starts_with("Warning:") && !is_expected(line));
    if !output.status.success() || warns {
        return Err(said.into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_every_object_of_every_overlay() {
    let _demo = Demo::calm().await;
    for overlay in ["local", "cloud", "gke", "keda"] {
        match dry_run(overlay) {
            Ok(objects) => println!("{overlay}: {objects} objects"),
            Err(said) => panic!("{overlay}: {said}"),
        }
    }
}
