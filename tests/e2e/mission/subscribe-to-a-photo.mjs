// Clients get instant updates about their photos
eventBus.subscribe('photo:123', (event) => {
  switch (event.type) {
    case 'photo.processing.started':
      showProgressBar();
      break;
    case 'photo.processing.completed':
      showThumbnails(event.data.thumbnails);
      break;
    case 'photo.processing.failed':
      showError(event.data.error);
      break;
  }
});
