import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';

const PIECE_BYTES = 64 * 1024;
const LOOK_MS = 20;
/** How long a pipe may take to give all that it has. */
const PIPE_MS = 5000;

/**
 * Reads a file whole. A pipe is looked at now and then: the threads that read files are few, and one that waits for a pipe
 * into which nobody writes would be lost for certificates, logs and compression too.
 *
 * @throws the file system's error, or one whose `code` is `ETIMEDOUT` for a pipe that does not end.
 */
export async function readBytes(path: string, pipeMs = PIPE_MS): Promise<Buffer> {
  // No such flag on Windows, where nothing of this waits either.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = await file.stat();
    return await (stats.isFIFO() ? readPipe(file, path, pipeMs) : file.readFile());
  } finally {
    await file.close();
  }
}

async function readPipe(file: FileHandle, path: string, pipeMs: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let waitedMs = 0; waitedMs <= pipeMs; ) {
    const piece = await readPiece(file);
    if (piece !== undefined && piece.length > 0) pieces.push(piece);
    // Nobody has it open for writing any more, or not yet.
    else if (piece !== undefined && pieces.length > 0) return Buffer.concat(pieces);
    else {
      await wait(LOOK_MS);
      waitedMs += LOOK_MS;
    }
  }
  throw Object.assign(new Error(`${path} is a pipe that does not end`), { code: 'ETIMEDOUT' });
}

/** Gives what there is: nothing at the end, `undefined` where there is nothing yet. */
async function readPiece(file: FileHandle): Promise<Buffer | undefined> {
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(PIECE_BYTES));
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
    throw error;
  }
}
