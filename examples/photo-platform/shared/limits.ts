// What can be sent at once. The page keeps to it, the API insists on it.
export const FILES_MAX = 20; // of one request
export const FILE_BYTES_MAX = 30 * 1024 * 1024; // more than a phone's camera makes
