import { afterAll, setDefaultTimeout } from "bun:test";
import { stopShared } from "./harness.ts";

setDefaultTimeout(60_000);
afterAll(stopShared);
