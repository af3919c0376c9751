// Objects of the Prometheus Operator as JSON on standard input, what is wrong with them as JSON on standard output.
//
// A compiled schema accepts keys that it does not know, as it never looks at them. So each object is watched while it
// is validated: a key that nobody has read is one that the operator does not have.
import { readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const schemas = join(process.argv[2], "node_modules/@kubernetes-models/prometheus-operator/_schemas");

function watched(value, path, read) {
  if (value === null || typeof value !== "object") return value;
  return new Proxy(value, {
    get(target, key) {
      read.add(`${path}.${String(key)}`);
      return watched(target[key], `${path}.${String(key)}`, read);
    },
  });
}

function* keys(value, path) {
  if (value === null || typeof value !== "object") return;
  for (const [key, inner] of Object.entries(value)) {
    yield `${path}.${key}`;
    yield* keys(inner, `${path}.${key}`);
  }
}

async function problems(object) {
  const version = object.apiVersion.split("/")[1];
  const ending = `${version[0].toUpperCase()}${version.slice(1)}${object.kind}.js`;
  const file = readdirSync(schemas).find((name) => name.endsWith(`Monitoring${ending}`));
  const { validate } = await import(pathToFileURL(join(schemas, file)));
  const read = new Set();
  if (!validate(watched(object, object.kind, read))) {
    const place = (error) => `${object.kind}${error.instancePath.replaceAll("/", ".")}`;
    return [...new Set(validate.errors.map((error) => `${place(error)}: ${error.keyword}`))];
  }
  return [...keys(object, object.kind)].filter((key) => !read.has(key)).map((key) => `${key}: unknown`);
}

// The schema leaves routes below a route open, because it would contain itself; the operator reads them as routes.
function* routesApart(object) {
  const { routes, ...route } = object.spec.route ?? {};
  yield routes ? { ...object, spec: { ...object.spec, route } } : object;
  for (const child of routes ?? []) yield* routesApart({ ...object, spec: { route: child } });
}

const objects = JSON.parse(readFileSync(0, "utf8")).flatMap((object) => [...routesApart(object)]);
// Not process.stdout: what that has not handed over when the process ends is lost.
writeSync(1, JSON.stringify((await Promise.all(objects.map(problems))).flat()));
