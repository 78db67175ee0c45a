import { afterAll, setDefaultTimeout } from "bun:test";
import { stopShared } from "./harness.ts";

setDefaultTimeout(120_000);
afterAll(stopShared);
