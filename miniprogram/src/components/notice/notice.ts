/** A whole screen, or a part of it, that has nothing to show: empty, or failed. */
Component({
  properties: {
    kind: { type: String, value: 'empty' },
    title: { type: String, value: '' },
    detail: { type: String, value: '' },
    reference: { type: String, value: '' },
    /** The button's text; no button without it. */
    action: { type: String, value: '' },
    compact: { type: Boolean, value: false },
  },
  methods: {
    act() {
      this.triggerEvent('action')
    },
  },
})
