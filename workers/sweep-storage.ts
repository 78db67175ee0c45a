export const handle = async () => ({});
