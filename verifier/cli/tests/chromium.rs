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

/// Walks through a page as a reader would, and leaves what was seen in the page, or tells the page around it.
const READER: &str = r##"<script>
document.addEventListener("DOMContentLoaded", function () {
  var seen = [document.documentElement.dataset.ready === "yes" ? "ready" : "the script did not run to its end"];
  seen.push(window.innerWidth + " px", matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
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
    var to = link.getAttribute("href").slice(1);
    // Links in pictures have no click().
    link.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, view: window }));
    var place = document.getElementById(to);
    var there = place !== null && location.hash === "#" + to && place.getClientRects().length > 0;
    seen.push(there ? "led" : "lost at " + to);
    // What a table says of a run or a finding stands where it leads to: its name, or its count.
    var words = link.closest("table, .violations, svg") ? link.textContent.trim().split(" ") : [];
    if (link.closest(".violations")) { words = [words[2]]; }
    if (there && words.length > 0) {
      seen.push(place.textContent.includes(words[0]) ? "told" : "not told of " + words[0] + " at " + to);
    }
  });
  document.querySelectorAll("a[href^='#'], summary, .scroll, input").forEach(function (element) {
    element.focus();
    if (element.getClientRects().length === 0) { return; }
    seen.push(document.activeElement === element ? "reached" : "no key reaches " + element.outerHTML.slice(0, 80));
  });
  var wide = document.documentElement.scrollWidth > window.innerWidth + 1;
  seen.push(wide ? "wider than the screen" : "fits");
  seen.push(faint().concat("legible")[0]);
  var told = seen.map(function (what) { return what.replace(/[,"]/g, " "); }).join(",");
  document.body.setAttribute("data-seen", told);
  if (window.parent !== window) { window.parent.postMessage(told, "*"); }
});
// Text whose contrast with what lies behind it is less than WCAG 2.1 asks for (AA).
function faint() {
  var texts = document.querySelectorAll("h1, h2, h3, h4, h5, p, a, td, th, li, dt, dd, .badge, .aside, .settings, summary, output, svg text");
  return Array.from(texts).filter(function (element) {
    var style = getComputedStyle(element);
    var ink = element.closest("svg") && element.localName === "text" ? style.fill : style.color;
    var around = element;
    while (around && /, 0\)$|transparent/.test(getComputedStyle(around).backgroundColor)) { around = around.parentElement; }
    var paper = getComputedStyle(around || document.body).backgroundColor;
    var light = [luminance(ink), luminance(paper)].sort(function (a, b) { return b - a; });
    return element.getClientRects().length > 0 && 4.5 > (light[0] + 0.05) / (light[1] + 0.05);
  }).map(function (element) { return "faint: " + element.outerHTML.slice(0, 100); });
}
function luminance(colour) {
  var parts = colour.match(/[\d.]+/g).slice(0, 3).map(function (part) {
    var share = part / 255;
    return share > 0.03928 ? Math.pow((share + 0.055) / 1.055, 2.4) : share / 12.92;
  });
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
}
</script></body>"##;

/// A page as wide as a phone: no window is as narrow.
const PHONE: &str = r#"<!DOCTYPE html><html><head><meta name="color-scheme" content="light dark"></head><body>
<script>window.addEventListener("message", function (told) { document.body.setAttribute("data-seen", told.data); });</script>
<iframe src="read.html" width="390" height="844" style="border: 0"></iframe></body></html>"#;

fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("VERIFY_CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    let found = named.or_else(|| on_path().find(|program| program.is_file()));
    if found.is_none() {
        assert!(
            !common::requires("chromium"),
            "VERIFY_REQUIRE names chromium, but none is found (VERIFY_CHROMIUM, or on the path)"
        );
        println!("skipped: no Chromium is found (VERIFY_CHROMIUM, or on the path)");
    }
    found
}

/// Runs the browser to its end; returns what it wrote and what it said.
fn browse(program: &Path, page: &Path, profile: &Path, arguments: &[&str]) -> (String, String) {
    let (out, log) = (profile.join("stdout"), profile.join("stderr"));
    let mut child = Command::new(program)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"])
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

/// A page with a reader in it, on a phone or not.
fn with_reader(page: &Path, phone: bool) -> PathBuf {
    let text = fs::read_to_string(page).unwrap();
    assert!(text.contains("</body>"));
    let (read, on_phone) = (page.with_file_name("read.html"), page.with_file_name("phone.html"));
    fs::write(&read, text.replace("</body>", READER)).unwrap();
    fs::write(&on_phone, PHONE).unwrap();
    if phone { on_phone } else { read }
}

/// What a reader of the page saw.
fn seen(program: &Path, page: &Path, profile: &Path, phone: bool, dark: bool) -> Vec<String> {
    let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
    let arguments = ["--dump-dom", "--window-size=1280,900", &scheme];
    let (dom, log) = browse(program, &with_reader(page, phone), profile, &arguments);
    assert!(!log.contains("CONSOLE"), "the page complains: {log}");
    let seen = dom.split("data-seen=\"").nth(1).and_then(|rest| rest.split('"').next());
    seen.unwrap_or_else(|| panic!("nothing was seen: {log}")).split(',').map(str::to_owned).collect()
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
    let (run_page, index) = (latest(&runs).join("report.html"), results.join("index.html"));
    for (page, phone, dark) in
        [(&run_page, false, false), (&run_page, true, true), (&index, false, true), (&index, true, false)]
    {
        let seen = seen(&program, page, out.path(), phone, dark);
        let (width, scheme) = (if phone { "390 px" } else { "1280 px" }, if dark { "dark" } else { "light" });
        let good = ["ready", width, scheme, "drawn", "pointed", "slid", "led", "told", "reached", "fits", "legible"];
        let bad: Vec<&String> = seen.iter().filter(|what| !good.contains(&what.as_str())).collect();
        assert!(bad.is_empty(), "{} ({width}, {scheme}): {bad:?}", page.display());
        let missing: Vec<&&str> = good.iter().filter(|what| !seen.iter().any(|seen| seen == **what)).collect();
        assert!(missing.is_empty(), "{} ({width}, {scheme}): nothing was {missing:?}", page.display());
    }
    let picture = out.path().join("page.png");
    let screenshot = format!("--screenshot={}", picture.display());
    browse(&program, &index, out.path(), &[&screenshot, "--window-size=1280,2000"]);
    let bytes = fs::read(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000, "{} bytes", bytes.len());
}
