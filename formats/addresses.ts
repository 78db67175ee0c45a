/** A path as a part of an address: every component percent-encoded (RFC 3986, 2.1). */
export const encodePath = (path: string) => path.split("/").map(encodeComponent).join("/");

/** encodeURIComponent leaves these, which some readers of addresses take for something else. */
const encodeComponent = (component: string) =>
  encodeURIComponent(component).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
