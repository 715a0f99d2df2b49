import { open, readFile, rename } from 'node:fs/promises'
import type { QueueLogState } from '@weaklink/interactions'
import * as z from 'zod'
import type { Position } from './position.ts'

/**
 * How far a log was delivered: everything before the position is acknowledged by the collector, and the calls are what
 * the reader remembers there. Written after the acknowledgement, whole or not at all: who is killed between the two
 * sends the same interactions, with the same ids, once more.
 */
export interface Checkpoint {
  readonly position: Position
  readonly calls: QueueLogState
}

const stay = z.object({
  queue: z.string().nullable(),
  stage: z.enum(['waiting', 'talking', 'over']),
  since: z.number(),
})
const call = z.object({
  customer: z.string().nullable(),
  wasAnonymous: z.boolean(),
  writtenAt: z.number(),
  usedAt: z.number(),
  lines: z.array(z.string()),
  stays: z.array(stay),
})
const calls = z.array(z.tuple([z.string(), call]))
const checkpointSchema = z.object({
  version: z.literal(1),
  position: z.object({ head: z.string(), headBytes: z.number(), offset: z.number() }),
  calls: z.object({ open: calls, over: calls }),
})

/** @returns null where there is none yet; `damaged` where the file is none of ours */
export async function loadCheckpoint(path: string): Promise<Checkpoint | 'damaged' | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    return checkpointSchema.parse(JSON.parse(text))
  } catch {
    return 'damaged'
  }
}

export function checkpointText({ position, calls }: Checkpoint): string {
  return JSON.stringify({ version: 1, position, calls })
}

/** Replaces the file by this text, durably. */
export async function saveCheckpoint(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, 'w')
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
