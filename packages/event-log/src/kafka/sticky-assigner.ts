import { AssignerProtocol, type PartitionAssigner } from 'kafkajs'

/**
 * Deals the partitions of a topic out to the members of a group: as evenly as can be, and each keeps what it has as far as
 * that allows, since a partition that moves begins with an empty cache.
 */
export const stickyAssigner =
  (owned: () => readonly number[]): PartitionAssigner =>
  ({ cluster }) => ({
    name: 'weaklink-sticky',
    version: 1,
    protocol({ topics }) {
      const userData = Buffer.from(JSON.stringify(owned()))
      return { name: this.name, metadata: AssignerProtocol.MemberMetadata.encode({ version: 1, topics, userData }) }
    },
    async assign({ members, topics }) {
      const shares = new Map(members.map(({ memberId }) => [memberId, {} as Record<string, number[]>]))
      for (const topic of topics) {
        const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)
        const claims = new Map(members.map(({ memberId, memberMetadata }) => [memberId, claimOf(memberMetadata)]))
        for (const [member, share] of dealOut(partitions, claims)) shares.get(member)![topic] = share
      }
      return Array.from(shares, ([memberId, assignment]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: 1,
          assignment,
          userData: Buffer.alloc(0),
        }),
      }))
    },
  })

/** What a member says it has; whatever cannot be read claims nothing. */
function claimOf(metadata: Buffer): readonly number[] {
  try {
    const { userData } = AssignerProtocol.MemberMetadata.decode(metadata) ?? {}
    const claim: unknown = JSON.parse(userData?.toString() ?? '')
    return Array.isArray(claim) ? claim.filter((one) => Number.isInteger(one)) : []
  } catch {
    return []
  }
}

/**
 * @param claims by member, the partitions that it has had so far
 * @returns by member, its partitions: each partition once, the numbers differ by at most one
 */
export function dealOut(
  partitions: readonly number[],
  claims: ReadonlyMap<string, readonly number[]>,
): Map<string, number[]> {
  const free = new Set(partitions)
  // Who has most may keep the one more that not everybody can have.
  const members = [...claims].sort(([a, claimA], [b, claimB]) => claimB.length - claimA.length || (a < b ? -1 : 1))
  const [least, more] = [Math.floor(partitions.length / members.length), partitions.length % members.length]
  const shares = members.map(([member, claim], k) => {
    const quota = k < more ? least + 1 : least
    const share: number[] = []
    for (const partition of claim) if (share.length < quota && free.delete(partition)) share.push(partition)
    return { member, quota, share }
  })
  const rest = [...free]
  for (const { quota, share } of shares) share.push(...rest.splice(0, quota - share.length))
  return new Map(shares.map(({ member, share }) => [member, share.sort((a, b) => a - b)]))
}
