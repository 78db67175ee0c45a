import { Fault } from "../../fault.ts";

/** Turns failures of the disk into words for people; everything else stays what it is. */
export function explainDisk(error: unknown, dir: string): unknown {
  if (!(error instanceof Error) || error instanceof Fault || !("code" in error)) return error;
  const place = "path" in error && typeof error.path === "string" ? error.path : dir;
  switch (error.code) {
    case "ENOSPC":
    case "EDQUOT":
      return new Fault("storage-full", `Cannot write to ${dir}: the disk is full; make room and run it again`, {
        cause: error,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new Fault("not-allowed", `Cannot write ${place}: permission denied; check who owns it`, { cause: error });
    case "EBUSY":
    case "ETXTBSY":
      return new Fault("unavailable", `Cannot write ${place}: it is in use; close the game and run it again`, {
        cause: error,
      });
    case "ENOTDIR":
    case "EEXIST":
      return new Fault("conflict", `Cannot work in ${place}: a file is where a folder is needed`, { cause: error });
    default:
      return error;
  }
}
