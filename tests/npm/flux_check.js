// Which of some Flux scripts are valid: a JSON list on stdin, a JSON list of true and false on stdout.
const { Flux } = require("@influxdata/flux-lsp-node");
const scripts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(scripts.map((script) => new Flux(script).is_valid())));
