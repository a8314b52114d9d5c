"use strict";
(function () {
  // No less-than sign and no ampersand may stand in this file: it is part of a page that is XML, too.
  function seconds(ms) { return "+" + (ms / 1000).toFixed(2) + " s"; }
  function millis(value) { return value >= 1000 ? (value / 1000).toFixed(2) + " s" : value + " ms"; }
  function count(value) { return value.toLocaleString("en"); }

  function words(data, bin) {
    const from = bin * data.binMs;
    const to = from + data.binMs;
    const of = function (name) { return data[name] ? data[name][bin] : 0; };
    const time = function (name) { return data[name] ? data[name][bin] : null; };
    const parts = [count(of("acked")) + " acked", count(of("failed")) + " failed", count(of("unknown")) + " may be stored",
      count(of("delivered")) + " delivered"];
    if (of("lost") > 0) { parts.push(count(of("lost")) + " of the acked are lost"); }
    if (time("send") !== null) { parts.push("send " + millis(time("send")) + ", longest " + millis(time("sendMax"))); }
    if (time("age") !== null) { parts.push("age at delivery " + millis(time("age")) + ", oldest " + millis(time("ageMax"))); }
    const told = data.notes.filter(function (note) { return note[0] >= from ? to > note[0] : false; });
    const notes = told.map(function (note) { return note[1]; });
    return seconds(from) + " to " + seconds(to) + ": " + parts.concat(notes).join("; ") + ".";
  }

  function setUp(figure) {
    const data = JSON.parse(figure.dataset.values);
    const drawing = figure.querySelector("svg");
    const cursor = figure.querySelector(".cursor");
    const slider = figure.querySelector("input");
    const output = figure.querySelector("output");
    const left = data.span[0], right = data.span[1], width = data.span[2];

    function show(bin) {
      const text = words(data, bin);
      const x = left + (bin + 0.5) / data.bins * (right - left);
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      cursor.setAttribute("visibility", "visible");
      output.textContent = text;
      slider.setAttribute("aria-valuetext", text);
    }
    function pointed(event) {
      const box = drawing.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * width;
      const bin = Math.floor((x - left) / (right - left) * data.bins);
      slider.value = Math.max(0, Math.min(data.bins - 1, bin));
      show(Number(slider.value));
    }
    slider.addEventListener("input", function () { show(Number(slider.value)); });
    slider.addEventListener("focus", function () { show(Number(slider.value)); });
    drawing.addEventListener("pointermove", pointed);
    drawing.addEventListener("pointerdown", pointed);
    figure.querySelector(".moment").hidden = false;
  }

  // What a link leads to may lie in something that is folded.
  function unfold() {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const folded = place ? place.closest("details") : null;
    if (folded) { folded.open = true; place.scrollIntoView(); }
  }

  document.querySelectorAll("figure.plot").forEach(setUp);
  window.addEventListener("hashchange", unfold);
  unfold();
  document.documentElement.dataset.ready = "yes";
}());
