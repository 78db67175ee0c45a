/**
 * One line of CSV (RFC 4180), ended by CRLF. A cell that a spreadsheet would run as a formula begins with an apostrophe (OWASP,
 * CSV injection).
 */
export function writeLine(cells: unknown[]): string {
  return `${cells.map((cell) => writeCell(String(cell))).join(",")}\r\n`;
}

function writeCell(text: string): string {
  // Also behind blanks and in full-width forms, which some spreadsheets read alike.
  const safe = /^[\s\p{Cf}]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20\t\r\n|%]/u.test(text) ? `'${text}` : text;
  return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
