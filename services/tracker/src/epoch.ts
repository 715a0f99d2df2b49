import type { PartitionRange } from '@weaklink/event-log'
import type { Position, TrackerStore } from './store.ts'

/**
 * An **epoch** is the time during which one log is followed. Offsets of different logs do not compare; versions do, since
 * they begin with the epoch. Another log (another kind, another cluster, a topic that was created anew) is never followed
 * by itself: what the old one still held would be lost without a word.
 */

/** The log is not the one that was followed so far. */
export class LogChangedError extends Error {
  readonly code = 'log_changed'
  readonly followed: string
  readonly found: string

  /** @param followed, found identities of logs */
  constructor(topic: string, followed: string, found: string) {
    super(
      `The topic ${topic} is not the one that was followed so far: its identity is ${found}, and the rows in ClickHouse come ` +
        `from ${followed}. Was it created anew, or is this another log? Bring the old one back, or, where this is meant, ` +
        'begin with the new one on top of what is stored: weaklink migrate --new-log',
    )
    this.name = 'LogChangedError'
    this.followed = followed
    this.found = found
  }
}

interface Log {
  readonly topic: string
  readonly identity: string
}

/** The positions of the log that is followed: those of the newest epoch. */
export function followedPositions(positions: readonly Position[]): readonly Position[] {
  const newest = Math.max(...positions.map(({ epoch }) => epoch))
  return positions.filter(({ epoch }) => epoch === newest)
}

/**
 * The positions of the log that is followed; none where nothing was followed yet.
 *
 * @throws LogChangedError where it is another one than this
 */
export function positionsIn(positions: readonly Position[], { topic, identity }: Log): readonly Position[] {
  const followed = followedPositions(positions)
  const other = followed.find(({ logIdentity }) => logIdentity !== identity)
  if (other !== undefined) throw new LogChangedError(topic, other.logIdentity, identity)
  return followed
}

/**
 * Where a partition goes on, or begins in a log that nobody has followed yet.
 *
 * @param catalogue hash of what is in force until the log says otherwise
 * @throws LogChangedError
 */
export function positionIn(
  positions: readonly Position[],
  log: Log,
  { partition, start }: Pick<PartitionRange, 'partition' | 'start'>,
  catalogue: string,
): Position {
  const followed = positionsIn(positions, log)
  const found = followed.find((one) => one.partition === partition)
  const { identity } = log
  return found ?? beginning(partition, start, { identity, epoch: followed[0]?.epoch ?? 1, tick: null, catalogue })
}

/**
 * Begins to follow another log: every partition of it from its start, on top of everything that is stored. What the log
 * before it held beyond its positions is not looked at any more.
 *
 * @param catalogue hash of what is in force where nothing was followed before
 * @returns the epoch, and the identity of the log before it, null where this one is followed already
 */
export async function beginEpoch(
  store: TrackerStore,
  { identity }: Log,
  ranges: readonly PartitionRange[],
  catalogue: string,
): Promise<{ readonly epoch: number; readonly before: string | null }> {
  const followed = followedPositions(await store.loadPositions())
  const [newest] = followed
  const other = followed.find(({ logIdentity }) => logIdentity !== identity)
  if (newest !== undefined && other === undefined) return { epoch: newest.epoch, before: null }
  const ticks = followed.flatMap(({ tick }) => tick ?? [])
  const epoch = (newest?.epoch ?? 0) + 1
  const begun = {
    identity,
    epoch,
    // Customers may stand in other partitions than before: none of them may fall back behind what has ended already.
    tick: ticks.length > 0 ? Math.max(...ticks) : null,
    catalogue: newest?.catalogue ?? catalogue,
  }
  await store.writePositions(ranges.map(({ partition, start }) => beginning(partition, start, begun)))
  return { epoch, before: other?.logIdentity ?? '' }
}

function beginning(
  partition: number,
  offset: number,
  { identity, ...rest }: Pick<Position, 'epoch' | 'tick' | 'catalogue'> & { readonly identity: string },
): Position {
  return {
    partition,
    ...rest,
    logIdentity: identity,
    offset,
    newestAt: null,
    accepted: 0,
    duplicates: 0,
    conflicts: 0,
    rejected: 0,
    imports: [],
  }
}
