// Simple to use - publish events from anywhere
await eventBus.publish('photo.uploaded', {
  photoId: '123',
  userId: 'user-456',
  filename: 'vacation.jpg'
});

// Subscribe to events
await eventBus.subscribe('photo.uploaded', async (event) => {
  await startPhotoProcessing(event.photoId);
});
