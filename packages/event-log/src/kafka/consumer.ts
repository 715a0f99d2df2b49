import { Delivery } from '../delivery.ts'
import { LogError } from '../errors.ts'
import type { Consumer, PartitionHandler, PartitionRange } from '../port.ts'
import type { Fetcher } from './fetcher.ts'
import { Membership, type MembershipOptions } from './membership.ts'

export interface KafkaConsumerOptions extends Pick<MembershipOptions, 'kafka' | 'topic' | 'group' | 'sessionMs'> {
  readonly fetcher: Fetcher
  readonly ranges: () => Promise<readonly PartitionRange[]>
  readonly stallMs: number
  readonly onEnded: () => void
}

/** How often the group is told how far we are. */
const COMMIT_MS = 5_000

/**
 * A member of a group: the group says which partitions are ours, `Fetcher` reads them, `Delivery` hands them over. What
 * stays ours through a rebalance goes on undisturbed.
 */
export async function consumeInGroup(options: KafkaConsumerOptions, handler: PartitionHandler): Promise<Consumer> {
  const { fetcher, stallMs } = options
  const delivery = new Delivery(
    {
      read: (partition, position) => fetcher.read(partition, position),
      changed: (partition) => fetcher.changed(partition),
      wake: () => fetcher.wake(),
      async ended() {
        clearInterval(committing)
        clearInterval(watching)
        await membership.commit(delivery.standing())
        await membership.leave()
        await fetcher.ended()
        options.onEnded()
      },
    },
    handler,
  )
  const membership = new Membership({
    ...options,
    owned: () => delivery.standing().map(({ partition }) => partition),
    onAssigned(partitions, isNew) {
      if (isNew) delivery.loseAll()
      for (const { partition } of delivery.standing()) if (!partitions.includes(partition)) fetcher.forget(partition)
      delivery.own(partitions)
    },
    onFailed: (error) => delivery.fail(error),
  })
  const committing = setInterval(() => void membership.commit(delivery.standing()), COMMIT_MS)
  const watching = setInterval(() => void watch(), Math.max(100, stallMs / 10))

  /** A partition that waits for records, and gets none although there are some. */
  const watch = async () => {
    const stalled = delivery
      .standing()
      .filter(({ hungrySince }) => hungrySince !== null && performance.now() - hungrySince > stallMs)
    if (stalled.length === 0) return
    const ranges = await options.ranges().catch(() => null)
    for (const { partition, position } of stalled) {
      const end = Math.max(ranges?.find((one) => one.partition === partition)?.end ?? 0, fetcher.heldUpTo(partition))
      // Still the same: it did not go on meanwhile.
      const still = delivery.standing().some((one) => one.partition === partition && one.position === position)
      if (end <= position || !still) continue
      const seconds = Math.round(stallMs / 1_000)
      delivery.fail(
        new LogError(
          'partition_stalled',
          `partition ${partition} of topic ${options.topic} stands still at offset ${position} for more than ${seconds} s, ` +
            `while the log holds records up to ${end}. A transaction that is never ended does that, or a broker that is ill.`,
        ),
      )
      return
    }
  }

  try {
    await membership.join()
  } catch (error) {
    delivery.fail(error)
    await delivery.done.catch(() => {})
    throw error
  }
  return delivery
}
