import { eventBus } from '@shared-infra/event-bus';

// Subscribe to process photos when uploaded
await eventBus.subscribe('photo.uploaded', async (event) => {
  await processPhoto(event.photoId);
});

// Send progress updates
await eventBus.publish('photo.processing.progress', {
  photoId: photoId,
  progress: 50,
  currentStage: 'thumbnail-generation'
});
