// Answers questions about a node package: one JSON line {"name", "given"} in, one line {"value"} or {"error"} out.
// `name` is a function that the module named on the command line exports; what it prints itself goes to stderr.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

console.log = console.info = console.debug = console.error;
const oracle = await import(pathToFileURL(process.argv[2]));

for await (const line of createInterface({ input: process.stdin })) {
  const { name, given } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await oracle[name](...given)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
