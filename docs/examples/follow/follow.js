// A page of one's own that follows a job: follow.html?job=ID. It uses the module that jobsync's own page uses, and only draws.

import { outside } from "/static/js/sync/live.js";
import { JobSync } from "/static/js/sync/sync.js";

const jobId = new URLSearchParams(location.search).get("job");

const page = {
  onStructure(structure) {
    document.querySelector("#status").textContent = structure.status;
    const items = structure.steps.map((step) => {
      const item = document.createElement("li");
      item.textContent = `${step.name}: ${step.status}, ${step.log_count} lines`;
      return item;
    });
    document.querySelector("#steps").replaceChildren(...items);
  },
  onFragment() {}, // HTML that jobsync's own page puts in place: of the result, of what failed
  onConnection() {},
  onDeleted() {
    document.querySelector("#status").textContent = "deleted";
  },
};

const served = await (await fetch(`/api/jobs/${encodeURIComponent(jobId)}/structure`)).json(); // where it begins
page.onStructure(served);
new JobSync({ jobId, served, ...page }, outside()).start();
