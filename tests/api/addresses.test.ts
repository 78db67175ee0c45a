import { expect, test } from "bun:test";
import { openAddresses } from "../../api/limits.ts";

const request = (named?: string) =>
  new Request("http://localhost/", { headers: named === undefined ? {} : { "x-real-ip": named } });

const cases: [peer: string, named: string | undefined, counted: string][] = [
  ["192.0.2.7", undefined, "192.0.2.7"],
  ["::ffff:192.0.2.7", undefined, "192.0.2.7"],
  ["192.0.2.7", "198.51.100.1", "192.0.2.7"], // whoever is no proxy of ours says what he likes
  ["10.0.0.1", "198.51.100.1", "198.51.100.1"],
  ["10.0.0.1", "nonsense", "10.0.0.1"],
  ["2001:db8:1:2:3:4:5:6", undefined, "2001:db8:1:2"],
  ["2001:db8:1:2::", undefined, "2001:db8:1:2"],
  ["2001:db8::aaaa:bbbb:cccc:dddd", undefined, "2001:db8:0:0"],
  ["2001:db8::1", undefined, "2001:db8:0:0"],
  ["2001:DB8:0:0:5::1", undefined, "2001:db8:0:0"],
  ["::1", undefined, "0:0:0:0"],
];

test.each(cases)("a call from %s that names %p counts as %s", (peer, named, counted) => {
  expect(openAddresses(["10.0.0.0/8"])(request(named), peer)).toBe(counted);
});
