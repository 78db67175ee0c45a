export async function showDemo(_: { url: string; output: unknown; signal: AbortSignal }): Promise<void> {}
