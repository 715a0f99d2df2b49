import { builtinCatalogue } from '@weaklink/chains'
import type { EventLog, UnreadableBatch } from '@weaklink/event-log'
import { encodeRejected, INTERACTIONS_TOPIC, REJECTED_TOPIC } from '@weaklink/interactions'
import { positionIn, type TrackerStore } from '@weaklink/tracker'
import { CommandError, UsageError } from '../terminal.ts'
import { UNREADABLE_BATCH } from './survey.ts'

export interface Skipped {
  readonly partition: number
  /** The first offset of the batch, and the one after its last. */
  readonly offset: number
  readonly next: number
  readonly bytes: number
  /** Why it cannot be read. */
  readonly problem: string
}

type InspectedLog = EventLog & {
  unreadableBatch(topic: string, partition: number, position: number): Promise<UnreadableBatch | null>
}

/**
 * Moves the tracker past a batch that cannot be read at all: its bytes go to the rejected records first, then the position
 * moves. Doing it twice sets the same bytes aside twice, which count once.
 *
 * @throws CommandError where the tracker does not stand there, or the batch can be read; LogChangedError; LogError
 */
export async function skipBatch(
  log: InspectedLog,
  store: TrackerStore,
  { partition, offset }: { partition: number; offset: number },
): Promise<Skipped> {
  const topic = await log.describe(INTERACTIONS_TOPIC)
  const range = (await log.ranges(INTERACTIONS_TOPIC)).find((one) => one.partition === partition)
  if (range === undefined)
    throw new UsageError(`There is no partition ${partition}: ${INTERACTIONS_TOPIC} has 0 to ${topic.partitions - 1}.`)
  const position = positionIn(await store.loadPositions(), topic, range, builtinCatalogue.hash)
  const stands = `Nothing was skipped: the tracker stands at offset ${position.offset} of partition ${partition}`
  // Between the two may be nothing to take in, such as what an aborted transaction left.
  const standsBefore = async () =>
    (await log.unreadableBatch(INTERACTIONS_TOPIC, partition, position.offset))?.offset === offset
  if (position.offset < offset && !(await standsBefore())) {
    throw new CommandError(
      `${stands}, not at ${offset}. Start weaklink up: it takes in what comes before, and names the batch that it cannot read.`,
    )
  }
  const batch = offset < range.end ? await log.unreadableBatch(INTERACTIONS_TOPIC, partition, offset) : null
  if (batch === null) {
    const what = offset < range.end ? 'what stands there can be read' : 'nothing stands there yet'
    throw new CommandError(
      `${stands}, and ${what}. A record that is wrong in itself is set aside by the tracker; only a batch that cannot be read is skipped.`,
    )
  }
  const { bytes, next, problem } = batch
  if (position.offset >= next)
    throw new CommandError(`${stands}, past the batch of the offsets ${offset} to ${next - 1}.`)
  const { partitions } = await log.describe(REJECTED_TOPIC)
  const rejection = {
    reason: UNREADABLE_BATCH,
    field: '',
    expected: 'records that this version can decode',
    got: `${bytes.length} bytes of the offsets ${offset} to ${next - 1}: ${problem}`,
  } as const
  const source = { topic: INTERACTIONS_TOPIC, partition, offset }
  const record = encodeRejected({ key: null, value: bytes, headers: {} }, rejection, source)
  await log.append(REJECTED_TOPIC, [{ partition: partition % partitions, ...record }])
  await store.writePositions([{ ...position, offset: next, rejected: position.rejected + 1 }])
  return { partition, offset, next, bytes: bytes.length, problem }
}
