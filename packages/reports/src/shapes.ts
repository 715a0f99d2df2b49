/** The shapes of the answers, for whoever reads them elsewhere (a dashboard, an API description): nothing here but zod. */
export * from './attribution/shape.ts'
export * from './breakpoints/shape.ts'
export * from './chains/shape.ts'
export * from './conversion/shape.ts'
export * from './customer/shape.ts'
export * from './funnel/shape.ts'
export * from './paths/shape.ts'
export * from './touchpoints/shape.ts'
