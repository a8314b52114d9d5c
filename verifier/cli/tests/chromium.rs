//! The pages in a real browser: they load without an error, the pictures are there, values are given, links lead where they
//! say. Runs where a Chromium is found (`VERIFY_CHROMIUM`, or one of the usual names on the path); `VERIFY_REQUIRE=chromium`
//! makes it fail elsewhere.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{latest, run, told, verify};

/// A browser that has not answered by then never will.
const LIMIT: Duration = Duration::from_secs(120);
const NAMES: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell"];

/// Walks through a page as a reader would, and leaves what was seen in the page.
const READER: &str = r#"<script>
document.addEventListener("DOMContentLoaded", function () {
  var seen = [];
  document.querySelectorAll("figure.plot").forEach(function (figure) {
    var drawing = figure.querySelector("svg");
    var box = drawing.getBoundingClientRect();
    seen.push(box.width > 300 ? "drawn" : "not drawn");
    drawing.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width / 2, clientY: box.top + 20 }));
    seen.push(figure.querySelector("output").textContent.startsWith("+") ? "pointed" : "silent");
    var slider = figure.querySelector("input");
    slider.value = 0;
    slider.dispatchEvent(new Event("input"));
    seen.push(figure.querySelector("output").textContent.startsWith("+0.00 s") ? "slid" : "stuck");
  });
  document.querySelectorAll("a[href^='#']").forEach(function (link) {
    link.click();
    var place = document.getElementById(location.hash.slice(1));
    seen.push(place ? "led" : "lost at " + link.getAttribute("href"));
  });
  var wide = document.documentElement.scrollWidth > window.innerWidth + 1;
  seen.push(wide ? "wider than the screen" : "fits");
  document.body.setAttribute("data-seen", seen.join(","));
});
</script></body>"#;

fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("VERIFY_CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    let found = named.or_else(|| on_path().find(|program| program.is_file()));
    if found.is_none() {
        let required =
            std::env::var("VERIFY_REQUIRE").is_ok_and(|names| names.split(',').any(|name| name == "chromium"));
        assert!(!required, "VERIFY_REQUIRE names chromium, but none is found (VERIFY_CHROMIUM, or on the path)");
        println!("skipped: no Chromium is found (VERIFY_CHROMIUM, or on the path)");
    }
    found
}

/// Runs the browser to its end; returns what it wrote and what it said.
fn browse(program: &Path, page: &Path, profile: &Path, arguments: &[&str]) -> (String, String) {
    let (out, log) = (profile.join("stdout"), profile.join("stderr"));
    let mut child = Command::new(program)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"])
        .args(["--enable-logging=stderr", "--log-level=0", "--virtual-time-budget=10000"])
        .arg(format!("--user-data-dir={}", profile.join("profile").display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the browser did not end: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    assert!(status.success(), "{status}: {}", read(&log));
    (read(&out), read(&log))
}

/// A page with a reader in it.
fn with_reader(page: &Path) -> PathBuf {
    let text = fs::read_to_string(page).unwrap();
    assert!(text.contains("</body>"));
    let path = page.with_file_name("read.html");
    fs::write(&path, text.replace("</body>", READER)).unwrap();
    path
}

#[test]
fn pages_work_in_a_real_browser() {
    let Some(program) = chromium() else { return };
    let out = tempfile::tempdir().unwrap();
    let (runs, results) = (out.path().join("runs"), out.path().join("results"));
    let output = run(&["pubsub", "--faults", "netsplit", "--seed", "7", "--rate", "100", "--quiet"], &runs);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let output = verify().args(["report", "--quiet"]).arg(&runs).arg("--out").arg(&results).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    for page in [latest(&runs).join("report.html"), results.join("index.html")] {
        for size in ["--window-size=1280,900", "--window-size=500,900"] {
            let page = with_reader(&page);
            let (dom, log) = browse(&program, &page, out.path(), &["--dump-dom", size]);
            assert!(!log.contains("CONSOLE"), "the page complains: {log}");
            assert!(dom.contains("data-ready=\"yes\""), "the script did not run to its end");
            let seen = dom.split("data-seen=\"").nth(1).and_then(|rest| rest.split('"').next());
            let seen: Vec<&str> = seen.unwrap_or_else(|| panic!("nothing was seen: {log}")).split(',').collect();
            let good = ["drawn", "pointed", "slid", "led", "fits"];
            assert!(seen.iter().all(|what| good.contains(what)), "{}: {seen:?}", page.display());
            assert!(good.iter().all(|what| seen.contains(what)), "{}: {seen:?}", page.display());
        }
    }
    let picture = out.path().join("page.png");
    let screenshot = format!("--screenshot={}", picture.display());
    browse(&program, &results.join("index.html"), out.path(), &[&screenshot, "--window-size=1280,2000"]);
    let bytes = fs::read(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000, "{} bytes", bytes.len());
}
