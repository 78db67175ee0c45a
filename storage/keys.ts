/** Where the bytes of an upload wait; its signed address may write it until it expires. */
export const stagingKey = (uploadId: string) => `staging/${uploadId}`;

/** Where a blob's bytes are for good: written once, by one attempt, under no address that anybody can write. */
export const blobKey = (sha256: string, attemptId: string) => `blobs/${sha256}/${attemptId}`;

/** Where bytes are written whose digest is known only afterwards: archives, mirrored references. */
export const attemptKey = (attemptId: string) => `blobs/made/${attemptId}`;
