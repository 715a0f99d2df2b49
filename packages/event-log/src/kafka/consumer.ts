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
      for (const { partition } of delivery.standing())
        if (isNew || !partitions.includes(partition)) fetcher.forget(partition)
      if (isNew) delivery.loseAll()
      delivery.own(partitions)
    },
    onFailed: (error) => delivery.fail(error),
  })
  const committing = setInterval(() => void membership.commit(delivery.standing()), COMMIT_MS)
  const watching = setInterval(() => void watch(), Math.max(100, stallMs / 10))

  /** Of partitions that wait for records although there are some: since when that is known. */
  const stalled = new Map<number, { readonly position: number; readonly hungrySince: number; readonly since: number }>()
  const watch = async () => {
    // Brokers that are away say nothing; that is another trouble.
    const ranges = await options.ranges().catch(() => null)
    if (ranges === null) return
    const now = performance.now()
    for (const { partition, position, hungrySince } of delivery.standing()) {
      const end = Math.max(ranges.find((one) => one.partition === partition)?.end ?? 0, fetcher.heldUpTo(partition))
      if (hungrySince === null || end <= position) {
        stalled.delete(partition)
        continue
      }
      const before = stalled.get(partition)
      if (before?.position !== position || before.hungrySince !== hungrySince) {
        stalled.set(partition, { position, hungrySince, since: now })
      } else if (now - before.since > stallMs) {
        const seconds = Math.round(stallMs / 1_000)
        delivery.fail(
          new LogError(
            'partition_stalled',
            `partition ${partition} of topic ${options.topic} stands still at offset ${position} for more than ${seconds} s, ` +
              `while the log holds records up to ${end}. ${fetcher.trouble ?? 'A transaction that is never ended does that, or a broker that is ill.'}`,
          ),
        )
        return
      }
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
