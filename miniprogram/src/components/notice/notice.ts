/** A notice in place of content that is empty or could not be loaded, for a whole page or a part of it. */
Component({
  properties: {
    kind: { type: String, value: 'empty' },
    title: { type: String, value: '' },
    detail: { type: String, value: '' },
    reference: { type: String, value: '' },
    /** The text of the button; if empty, there is no button. */
    action: { type: String, value: '' },
    compact: { type: Boolean, value: false },
  },
  methods: {
    act() {
      this.triggerEvent('action')
    },
  },
})
