import type { Consumer as GroupMember, Kafka } from 'kafkajs'
import type { LogError } from '../errors.ts'
import { faultOf } from './fault.ts'
import { stickyAssigner } from './sticky-assigner.ts'

export interface MembershipOptions {
  readonly kafka: Kafka
  readonly topic: string
  readonly group: string
  readonly sessionMs: number
  /** What this member has, and would like to keep. */
  readonly owned: () => readonly number[]
  /**
   * From now on exactly these partitions are this member's.
   *
   * @param isNew the group did not know this member any more: others may have had what it had
   */
  readonly onAssigned: (partitions: readonly number[], isNew: boolean) => void
  /** The group does not want this member, and will not. */
  readonly onFailed: (error: LogError) => void
}

const REBALANCE_MS = 60_000
const HEARTBEAT_MS = 3_000
/** How long a member sleeps between looks at the clock: kafkajs sends heartbeats from the loop in which it would fetch. */
const LOOP_MS = 500

/**
 * Membership in a consumer group: which partitions are ours. That, heartbeats and offsets for lag tools are all that
 * kafkajs' consumer is used for; it reads nothing, all of its partitions are paused. So heartbeats go on however long
 * somebody works on records, and no position ever comes from the broker, or is reset by the client.
 */
export class Membership {
  readonly #options: MembershipOptions
  readonly #member: GroupMember
  #memberId: string | null = null
  #stopped = false

  constructor(options: MembershipOptions) {
    this.#options = options
    const { kafka, group, sessionMs, owned } = options
    this.#member = kafka.consumer({
      groupId: group,
      partitionAssigners: [stickyAssigner(owned)],
      sessionTimeout: sessionMs,
      rebalanceTimeout: REBALANCE_MS,
      heartbeatInterval: Math.min(HEARTBEAT_MS, sessionMs / 3),
      maxWaitTimeInMs: Math.min(LOOP_MS, sessionMs / 6),
      allowAutoTopicCreation: false,
      readUncommitted: false,
    })
  }

  /** Resolves when the group knows this member, or the brokers are away: that is waited out. */
  async join(): Promise<void> {
    const { topic, group, onAssigned, onFailed } = this.#options
    const member = this.#member
    member.on(member.events.GROUP_JOIN, ({ payload: { memberId, memberAssignment } }) => {
      if (this.#stopped) return
      const partitions = memberAssignment[topic] ?? []
      member.pause([{ topic, partitions }])
      const isNew = this.#memberId !== memberId
      this.#memberId = memberId
      onAssigned(partitions, isNew)
    })
    member.on(member.events.CRASH, ({ payload: { error, restart } }) => {
      if (!restart && !this.#stopped) onFailed(faultOf(error, `membership in group ${group}`))
    })
    try {
      await member.connect()
      await member.subscribe({ topics: [topic] })
      await member.run({ autoCommit: false, eachBatch: async () => {} })
    } catch (error) {
      throw faultOf(error, `joining group ${group}`)
    }
  }

  /** Tells the group how far this member is, for tools that show lag. Nothing depends on it. */
  async commit(positions: readonly { readonly partition: number; readonly position: number }[]): Promise<void> {
    const { topic } = this.#options
    if (positions.length === 0 || this.#stopped) return
    const offsets = positions.map(({ partition, position }) => ({ topic, partition, offset: String(position) }))
    await this.#member.commitOffsets(offsets).catch(() => {})
  }

  /** Leaves the group: its partitions go to others at once. */
  async leave(): Promise<void> {
    this.#stopped = true
    await this.#member.disconnect().catch(() => {})
  }
}
